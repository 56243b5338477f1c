"""What went wrong with one account while the others went on."""

from dataclasses import dataclass

from cdr_pipeline.errors import CdrError


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
