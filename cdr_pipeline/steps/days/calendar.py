"""States of the days of many accounts, including days that should exist and do not."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from cdr_pipeline.steps.operations.due_nights import last_due_date
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import CalendarDay

Mark = Literal["missing", "late", "red", "incomplete", "provisional", "settled", "open", "sealed", "restated"]
# Marks of days that need action.
NEEDS_ACTION: frozenset[Mark] = frozenset({"missing", "late", "red", "incomplete"})

_STATES: Mapping[str, Mark] = {"open": "open", "sealed": "sealed", "restated": "restated"}


@dataclass(frozen=True, slots=True)
class MarkedDay:
    """A day and the one word that describes it; ``day`` is None for a day that was never collected."""

    account_id: str
    business_date: date
    mark: Mark
    day: CalendarDay | None = None


def calendar(
    accounts: Sequence[str], first: date, last: date, ctx: RunContext, *, only_action: bool = False
) -> list[MarkedDay]:
    """Days of the accounts between two dates, by account and date. Days before an account's first are left out.

    Args:
        accounts: ids of accounts.
        first: first business date.
        last: last business date.
        ctx: settings, warehouse, clock and progress callback.
        only_action: whether to leave out days that need no action.
    """
    with ctx.ledger() as ledger:
        days = ledger.calendar.days(accounts, first, last, only_action=only_action)
        missing = ledger.health.missing_days(
            accounts,
            max(first, date.fromisoformat(ctx.settings.first_date)),
            min(last, last_due_date(ctx.settings, ctx.clock())),
            time_zone=ctx.settings.time_zone,
        )
    due = last_due_date(ctx.settings, ctx.clock())
    marked = {(day.account_id, day.business_date): _marked(day, due) for day in days}
    for key in ((account_id, gap.business_date) for gap in missing for account_id in gap.account_ids):
        if key not in marked:
            marked[key] = MarkedDay(*key, "missing")
    listed = [marked[key] for key in sorted(marked)]
    return [item for item in listed if item.mark in NEEDS_ACTION] if only_action else listed


@dataclass(frozen=True, slots=True)
class NightSummary:
    """Accounts of a date by mark; days in order have the mark of their state."""

    business_date: date
    marks: Mapping[Mark, int]

    @property
    def total(self) -> int:
        """Number of accounts with a day, collected or missing."""
        return sum(self.marks.values())

    @property
    def action(self) -> int:
        """Number of accounts whose day needs action."""
        return sum(count for mark, count in self.marks.items() if mark in NEEDS_ACTION)


def night_summaries(
    accounts: Sequence[str], first: date, last: date, needing_action: Sequence[MarkedDay], ctx: RunContext
) -> list[NightSummary]:
    """Accounts by mark for each date that has any, the oldest first.

    Args:
        accounts: ids of accounts.
        first: first business date.
        last: last business date.
        needing_action: days of these accounts that need action, from ``calendar``.
        ctx: settings, warehouse, clock and progress callback.
    """
    marks: dict[date, Counter[Mark]] = defaultdict(Counter)
    with ctx.ledger() as ledger:
        for item in ledger.calendar.counts(accounts, first, last):
            marks[item.business_date][_STATES[item.state]] += item.days
    for item in needing_action:
        if first <= item.business_date <= last:
            marks[item.business_date][item.mark] += 1
            if item.day is not None:
                # The ledger counts a late day as sealed or restated.
                state = item.day.state
                marks[item.business_date]["sealed" if state == "late_pending" else _STATES[state]] -= 1
    return [NightSummary(day, {mark: count for mark, count in marks[day].items() if count}) for day in sorted(marks)]


def _marked(day: CalendarDay, due: date) -> MarkedDay:
    return MarkedDay(day.account_id, day.business_date, _mark(day, due), day)


def _mark(day: CalendarDay, due: date) -> Mark:
    """The first word that applies, the most urgent one first. A day after the last due one is not incomplete yet."""
    if day.state == "late_pending":
        return "late"
    if day.state in ("sealed", "restated"):
        return "restated" if day.state == "restated" else "sealed"
    if day.failed_windows or (not day.whole and day.business_date <= due) or day.volume in ("thin", "empty"):
        return "incomplete"
    if day.red:
        return "red"
    if day.provisional:
        return "provisional"
    return "settled" if day.settled else "open"
