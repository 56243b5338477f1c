"""Errors of imported files and their profiles."""

from cdr_pipeline.errors.base import CdrError


class UploadError(CdrError):
    """A file could not be imported."""

    code = "upload"
    exit_code = 5
    http_status = 400


class UnknownProfile(UploadError):
    """No import profile has that name."""

    code = "unknown_profile"


class InvalidProfile(UploadError):
    """A profile file is malformed or contradicts itself."""

    code = "invalid_profile"


class InvalidRateCard(InvalidProfile):
    """The rate card of a profile cannot be read, or one of its lines is not a valid price."""

    code = "invalid_rate_card"


class InvalidInvoice(UploadError):
    """A carrier's invoice cannot be read, or one of its lines is not valid; nothing was stored."""

    code = "invalid_invoice"


class MisplacedFile(UploadError):
    """A file in the drop folder is outside the folders of accounts and profiles."""

    code = "misplaced_file"


class UnreadableUpload(UploadError):
    """The file cannot be opened or decoded in the format of its profile."""

    code = "unreadable_upload"


class TooManyLines(UnreadableUpload):
    """The file has more lines than one upload over the API may have; nothing of it was loaded."""

    code = "too_many_lines"
    http_status = 413


class ControlTotalsDiffer(UnreadableUpload):
    """The totals in the file's header or trailer differ from its records: the file is cut off or damaged."""

    code = "control_totals_differ"


class AmbiguousDates(UnreadableUpload):
    """The file's dates fit both day-first and month-first order, and the profile does not state the order."""

    code = "ambiguous_dates"


class RowsRejected(UploadError):
    """Some rows of a file were rejected; the others are stored."""

    code = "rows_rejected"
    exit_code = 13


class UploadHeld(UploadError):
    """The file repeats records of another file, or has ids of other calls; an operator releases or discards it."""

    code = "upload_held"
    http_status = 409

    def __init__(self, message: str, *, overlap_rows: int, other_calls: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.overlap_rows = overlap_rows
        self.other_calls = other_calls


class UploadDiscarded(UnreadableUpload):
    """The file was discarded while it waited to be loaded; nothing of it was loaded."""

    code = "upload_discarded"


class UploadSealed(UploadError):
    """A sealed day has records of the upload, so it cannot be discarded."""

    code = "upload_sealed"
    http_status = 409
