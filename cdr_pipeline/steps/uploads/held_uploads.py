"""The rule that holds a file: its records repeat those of another file, or carry ids of other calls."""

from typing import Final

from cdr_pipeline.errors import UnreadableUpload, UploadHeld
from cdr_pipeline.steps.uploads.upload_batch import UploadBatch
from cdr_pipeline.warehouse.ledger import LandedUpload, Ledger

# One record that another file also contains may be chance; from two on the file is held.
_OVERLAP_ROWS: Final = 2
_OTHER_CALLS_HINT: Final = (
    "'cdr-pipeline uploads release' adds them as calls of their own and leaves the others as they are,"
    " 'uploads discard' does not load the file; if the source numbers every file anew, name more columns in the"
    " profile's native_id"
)
HELD_HINT: Final = "'cdr-pipeline uploads list' shows it; 'uploads release' loads it, 'uploads discard' does not"


def require_new(upload: LandedUpload, batch: UploadBatch, ledger: Ledger) -> None:
    """Holds a file whose records are already in the warehouse, unless an operator has released it.

    A file is also held if its records have the ids of other calls; after a release they are added as separate calls.
    The same bytes read with another profile give different records, so the calls would count twice.

    Raises:
        UploadHeld: the file needs a decision.
    """
    if upload.released:
        return
    if batch.load.other_calls:
        raise UploadHeld(
            f"{upload.file_name}: {batch.load.other_calls} records carry ids of other calls",
            overlap_rows=batch.load.overlap(),
            other_calls=batch.load.other_calls,
            hint=_OTHER_CALLS_HINT,
        )
    if batch.profile.overlap == "merge":
        return
    for reading in ledger.uploads.readings(upload.account_id, upload.content_sha256):
        if reading.state == "loaded" and reading.profile != upload.profile:
            raise UploadHeld(
                f"{upload.file_name}: the same file was loaded with profile {reading.profile} before;"
                " its calls would count twice",
                overlap_rows=batch.load.staged,
                hint=f"to withdraw that reading: cdr-pipeline uploads replay {reading.sha256[:12]} --profile "
                f"{upload.profile}; 'uploads release' keeps both",
            )
    overlap = batch.load.overlap()
    if overlap >= min(_OVERLAP_ROWS, batch.load.staged) and overlap:
        raise UploadHeld(
            f"{upload.file_name}: {overlap} of {batch.load.staged} records were delivered by another file before",
            overlap_rows=overlap,
            hint=HELD_HINT,
        )


def discarded_before(file_name: str) -> UnreadableUpload:
    """Error of a file that an operator has discarded."""
    return UnreadableUpload(
        f"{file_name} was discarded before", hint="'cdr-pipeline uploads list' shows who discarded it"
    )
