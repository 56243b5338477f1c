"""Failures of one account, day or file that leave the others alone."""

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import CdrError, WarehouseContended, WarehouseUnavailable

# Code of an error that nobody has foreseen.
FAULT: Final = "fault_of_the_program"


@dataclass(frozen=True, slots=True)
class AccountFailure:
    """One account's failure: stable code, whether to retry, and a message without personal data."""

    account_id: str
    code: str
    retryable: bool
    message: str

    @classmethod
    def of(cls, account_id: str, error: CdrError) -> "AccountFailure":
        """The failure that an error means for an account."""
        return cls(account_id, error.code, error.retryable, error.message)

    @classmethod
    def of_fault(cls, account_id: str, what: str, error: Exception) -> "AccountFailure":
        """The failure that an unforeseen error means for an account, at work on ``what``."""
        return cls(account_id, FAULT, retryable=False, message=f"{what}: {error_summary(error)}")


def contained(account_id: str, what: str, error: Exception) -> AccountFailure:
    """The failure of one account at work on ``what``, so that a loop goes on with the next item.

    Raises:
        WarehouseUnavailable: the warehouse is gone, for every item; the whole step is worth a retry.
    """
    if isinstance(error, WarehouseUnavailable) and not isinstance(error, WarehouseContended):
        raise error
    if isinstance(error, CdrError):
        return AccountFailure.of(account_id, error)
    return AccountFailure.of_fault(account_id, what, error)


def error_summary(error: Exception) -> str:
    """An unforeseen error's kind and place. Its own words may hold values of rows."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
