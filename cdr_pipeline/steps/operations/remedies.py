"""What to do about a failure: one command, or the setting that must be changed before it."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from cdr_pipeline.errors import (
    CallTooLong,
    ClockDisagrees,
    DialectChanged,
    FolderNotWritable,
    UnbalancedReconciliation,
    UpstreamAccountNotFound,
    UpstreamAuthError,
)
from cdr_pipeline.steps.failure import FAULT, AccountFailure

# More accounts than this are not named in a command: it then covers all of them.
_NAMED: Final = 3
# Settings to put before the command, by error code.
_SETTINGS: Final = {
    DialectChanged.code: "CDR_API_DIALECT=auto ",
    CallTooLong.code: "CDR_COLLECT_LONGEST_CALL_HOURS=72 ",
}
# What must be done before the command can help, by error code.
_FIRST: Final = {
    UpstreamAuthError.code: "correct CDR_API_KEY, CDR_API_USER or CDR_API_TOKEN "
    "(test: cdr-pipeline accounts sync --root ACCOUNT)",
    UpstreamAccountNotFound.code: "check the id with 'cdr-pipeline accounts sync'",
    FolderNotWritable.code: "free space on the disk or make the folder writable",
    ClockDisagrees.code: "set the clock: timedatectl set-ntp true",
    UnbalancedReconciliation.code: "report the run id to the developers",
    FAULT: "report the file and line to the developers",
}


def remedy_of(failures: Sequence[AccountFailure], days: Sequence[date]) -> str:
    """What to do about failures that an operator sees together: of the first one, and the command for all of them."""
    codes = sorted({failure.code for failure in failures})
    command = nightly_command(sorted({failure.account_id for failure in failures}), days, codes)
    first = next((_FIRST[code] for code in codes if code in _FIRST), "")
    return f"{first}; then: {command}" if first else command


def nightly_command(accounts: Sequence[str], days: Sequence[date], codes: Sequence[str] = ()) -> str:
    """The command that runs the days again for the accounts."""
    before = "".join(_SETTINGS.get(code, "") for code in codes)
    only = "".join(f" --account {account}" for account in accounts) if len(accounts) <= _NAMED else ""
    return " && ".join(f"{before}cdr-pipeline nightly --date {day}{only}" for day in days) or "cdr-pipeline doctor"


def settle_command(day: date, account_id: str = "") -> str:
    """The command that decides the open breaks of a day, which settles a red reconciliation."""
    only = f" --account {account_id}" if account_id else ""
    return f"cdr-pipeline breaks decide --from {day} --to {day}{only} --as DECISION --by NAME --reason TEXT"


def dismiss_command(day: date, account_id: str = "") -> str:
    """The command that closes a day's rejected lines that are no calls, and reconciles the day again."""
    only = f" --account {account_id}" if account_id else ""
    return f"cdr-pipeline rejects dismiss --date {day}{only} --by NAME --reason TEXT"


def first_step(code: str) -> str:
    """What must be done before a command can help; empty if the command is enough."""
    return _FIRST.get(code, "")
