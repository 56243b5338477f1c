"""Errors of the folder or the object store that holds the data."""

from cdr_pipeline.errors.base import CdrError


class FolderNotWritable(CdrError):
    """A folder is full or cannot be written. The same work succeeds once it can."""

    code = "folder_not_writable"
    exit_code = 2
    retryable = True


class StoreError(CdrError):
    """The object store of ``CDR_DATA_DIR`` failed."""

    code = "store"
    exit_code = 14


class StoreUnavailable(StoreError):
    """The object store cannot be reached, is overloaded, or returned other bytes than were written. Try again."""

    code = "store_unavailable"
    retryable = True
    http_status = 503


class StoreRefused(StoreError):
    """The object store rejects the credentials, or the bucket does not exist. A retry does not help."""

    code = "store_refused"
