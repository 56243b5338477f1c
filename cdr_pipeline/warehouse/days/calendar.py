"""Days of many accounts at a glance, from the ledger alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cdr_pipeline.warehouse.statement_runner import LedgerTables


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """An account's day.

    Attributes:
        account_id, business_date: account and day.
        state: open, sealed, restated or late_pending.
        version: version of its newest files.
        whole: whether every window is collected.
        volume: verdict on the number of records; None before the day is collected.
        failed_windows: windows that could not be collected.
        carriers: number of reconciled carriers.
        red, settled, provisional: number of them with a red final result that no decisions settle, with a settled one,
            and with a provisional one.
        breaks: undecided breaks of all carriers.
    """

    account_id: str
    business_date: date
    state: str
    version: int
    whole: bool
    volume: str | None
    failed_windows: int
    carriers: int
    red: int
    settled: int
    provisional: int
    breaks: int


class CalendarTable(LedgerTables):
    """Days by account and date, for display."""

    def days(self, account_ids: Sequence[str], first_date: date, last_date: date) -> list[CalendarDay]:
        """Days that have a ledger entry, by account and date."""
        return self.statements.records(
            CalendarDay, "days/calendar", account_ids=list(account_ids), first_date=first_date, last_date=last_date
        )
