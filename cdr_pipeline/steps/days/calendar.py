"""States of the days of many accounts, including days that should exist and do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from cdr_pipeline.steps.operations.due_nights import last_due_date
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import CalendarDay

Mark = Literal["missing", "late", "red", "incomplete", "provisional", "settled", "open", "sealed", "restated"]
# Marks of days that need action.
NEEDS_ACTION: frozenset[Mark] = frozenset({"missing", "late", "red", "incomplete"})


@dataclass(frozen=True, slots=True)
class MarkedDay:
    """A day and the one word that describes it; ``day`` is None for a day that was never collected."""

    account_id: str
    business_date: date
    mark: Mark
    day: CalendarDay | None = None


def calendar(accounts: Sequence[str], first: date, last: date, ctx: RunContext) -> list[MarkedDay]:
    """Days of the accounts between two dates, by account and date. Days before an account's first are left out."""
    with ctx.ledger() as ledger:
        days = ledger.calendar.days(accounts, first, last)
        missing = ledger.health.missing_days(
            accounts,
            max(first, date.fromisoformat(ctx.settings.first_date)),
            min(last, last_due_date(ctx.settings, ctx.clock())),
            time_zone=ctx.settings.time_zone,
        )
    marked = {(day.account_id, day.business_date): _marked(day) for day in days}
    for key in ((account_id, gap.business_date) for gap in missing for account_id in gap.account_ids):
        if key not in marked:
            marked[key] = MarkedDay(*key, "missing")
    return [marked[key] for key in sorted(marked)]


def _marked(day: CalendarDay) -> MarkedDay:
    return MarkedDay(day.account_id, day.business_date, _mark(day), day)


def _mark(day: CalendarDay) -> Mark:
    """The first word that applies, the most urgent one first."""
    if day.state == "late_pending":
        return "late"
    if day.state in ("sealed", "restated"):
        return "restated" if day.state == "restated" else "sealed"
    if day.failed_windows or not day.whole or day.volume in ("thin", "empty"):
        return "incomplete"
    if day.red:
        return "red"
    if day.provisional:
        return "provisional"
    return "settled" if day.settled else "open"
