"""Days of many accounts at a glance, from the ledger alone."""

from collections.abc import Sequence
from contextlib import nullcontext
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


@dataclass(frozen=True, slots=True)
class DayCount:
    """Number of days of a date with a state: open, sealed or restated, whether or not they have late changes."""

    business_date: date
    state: str
    days: int


class CalendarTable(LedgerTables):
    """Days by account and date, for display."""

    def days(
        self, account_ids: Sequence[str], first_date: date, last_date: date, *, only_action: bool = False
    ) -> list[CalendarDay]:
        """Days that have a ledger entry, by account and date; ``only_action`` leaves out those that are in order."""
        with nullcontext() if only_action else self.statements.without_nested_loops():
            return self.statements.records(
                CalendarDay,
                "days/calendar",
                account_ids=list(account_ids),
                first_date=first_date,
                last_date=last_date,
                only_action=only_action,
            )

    def counts(self, account_ids: Sequence[str], first_date: date, last_date: date) -> list[DayCount]:
        """Number of days by date and state."""
        return self.statements.records(
            DayCount, "days/day_counts", account_ids=list(account_ids), first_date=first_date, last_date=last_date
        )
