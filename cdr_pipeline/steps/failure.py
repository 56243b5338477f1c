"""Failures of one account, day or file. Steps collect them and continue with the next item."""

import errno
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import CdrError, FolderNotWritable, WarehouseContended, WarehouseUnavailable
from cdr_pipeline.privacy.redaction import redact

# Code of an unexpected exception, which is a bug of the program.
FAULT: Final = "fault_of_the_program"
# A folder that cannot be written: not an error of the program.
_FOLDER_FAULTS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class AccountFailure:
    """Failure of one account: stable code, whether a retry may help, and a message without personal data."""

    account_id: str
    code: str
    retryable: bool
    message: str

    @classmethod
    def of(cls, account_id: str, error: CdrError) -> "AccountFailure":
        """Returns the failure of an account for an expected error."""
        return cls(account_id, error.code, error.retryable, error.message)

    @classmethod
    def of_fault(cls, account_id: str, work: str, error: Exception) -> "AccountFailure":
        """Returns the failure of an account for an exception during ``work`` that is not one of ours."""
        folder = folder_fault(error)
        if folder is not None:
            return cls.of(account_id, folder)
        return cls(account_id, FAULT, retryable=False, message=f"{work}: {error_summary(error)}")


def contained(account_id: str, work: str, error: Exception) -> AccountFailure:
    """Returns the failure of one account during ``work``, so that a loop continues with the next item.

    Raises:
        WarehouseUnavailable: the warehouse is down, so every item would fail; the whole step can be retried.
    """
    if isinstance(error, WarehouseUnavailable) and not isinstance(error, WarehouseContended):
        raise error
    if isinstance(error, CdrError):
        return AccountFailure.of(account_id, error)
    return AccountFailure.of_fault(account_id, work, error)


def folder_fault(error: Exception) -> FolderNotWritable | None:
    """The error of a folder that is full or cannot be written; None for any other exception."""
    if not isinstance(error, OSError) or error.errno not in _FOLDER_FAULTS:
        return None
    return FolderNotWritable(
        redact(f"cannot write {error.filename or 'a file'}: {error.strerror}"),
        hint="make the folder writable and free some space, or name another folder in CDR_DATA_DIR",
    )


def error_summary(error: Exception) -> str:
    """Type, file and line of an unexpected exception. Its message is omitted because it may contain values of rows."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
