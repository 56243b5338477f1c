"""Errors of daily files: export, sealing, restatement, delivery."""

from cdr_pipeline.errors.base import CdrError


class ExportError(CdrError):
    """A file or its manifest could not be written completely."""

    code = "export"
    exit_code = 8


class DayNotSealable(ExportError):
    """The day cannot be sealed or restated yet; the message names the obstacle."""

    code = "day_not_sealable"
    http_status = 409


class SealedFileDamaged(ExportError):
    """A sealed file is missing or has changed; it cannot be restated or delivered."""

    code = "sealed_file_damaged"


class SealedFileExists(ExportError):
    """A final file of the day is on disk but not in the ledger; final files are never replaced."""

    code = "sealed_file_exists"
    http_status = 409


class DeliveryError(ExportError):
    """A delivery target cannot be reached or failed; the file stays due and is sent again."""

    code = "delivery"
    retryable = True


class DeliveryRefused(DeliveryError):
    """A delivery target has an unknown host key, refuses, or already has a different file of that name."""

    code = "delivery_refused"
    retryable = False
