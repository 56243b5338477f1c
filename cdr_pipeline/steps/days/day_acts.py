"""Seals and restatements by users of console and API: of one day or many, with a second person where one is needed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from cdr_pipeline.errors import CdrError, DayNotSealable
from cdr_pipeline.steps.accounts.users import SignedIn, record_event
from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days
from cdr_pipeline.steps.days.seal_days import Obstacle, Override, SealRequest, seal_days
from cdr_pipeline.steps.days.second_person import Act, ask_second_person, needs_second_person
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.run_context import RunContext

Outcome = Literal["sealed", "already", "refused", "restated", "unchanged", "asked", "failed"]
DaysOfAccounts = Mapping[str, Sequence[date]]


@dataclass(frozen=True, slots=True)
class ActResult:
    """Result for one account's day.

    Attributes:
        account_id, business_date: the day.
        outcome: what happened; ``asked`` if a second person must confirm it.
        obstacles: what blocks the seal of a refused day.
        error: why a day failed; None otherwise.
    """

    account_id: str
    business_date: date
    outcome: Outcome
    obstacles: tuple[Obstacle, ...] = ()
    error: CdrError | None = None


def seal(user: SignedIn, days: DaysOfAccounts, ctx: RunContext, *, reason: str = "") -> list[ActResult]:
    """Seals days of accounts; with a reason, in spite of obstacles."""
    override = Override(user.name, reason) if reason else None
    results, rest = _asked("seal", user, days, ctx, reason) if override else ([], days)
    for dates, accounts in _by_dates(rest):
        results += [
            ActResult(day.account_id, day.business_date, day.outcome, day.obstacles, _error(day.failure))
            for day in seal_days(SealRequest(dates, accounts, override), ctx)
            if day.business_date in rest.get(day.account_id, ())
        ]
    return _recorded(user, "seal", results, ctx, reason)


def restate(user: SignedIn, days: DaysOfAccounts, ctx: RunContext, *, reason: str) -> list[ActResult]:
    """Restates those of the days that are late; the others have no result."""
    results, rest = _asked("restate", user, days, ctx, reason)
    for dates, accounts in _by_dates(rest):
        results += [
            ActResult(day.account_id, day.business_date, day.outcome, error=_error(day.failure))
            for day in restate_days(RestateRequest(user.name, reason, dates, accounts), ctx)
            if day.business_date in rest.get(day.account_id, ())
        ]
    return _recorded(user, "restate", results, ctx, reason)


def _asked(
    act: Act, user: SignedIn, days: DaysOfAccounts, ctx: RunContext, reason: str
) -> tuple[list[ActResult], dict[str, list[date]]]:
    """Asks a second person about the days that need one; returns these results and the other days."""
    results: list[ActResult] = []
    rest: dict[str, list[date]] = defaultdict(list)
    for account_id, day in ((account_id, day) for account_id, dates in days.items() for day in dates):
        if not needs_second_person(act, account_id, day, ctx):
            rest[account_id].append(day)
            continue
        try:
            ask_second_person(act, user, account_id, day, ctx, reason=reason)
        except CdrError as error:
            results.append(ActResult(account_id, day, "failed", error=error))
        else:
            results.append(ActResult(account_id, day, "asked"))
    return results, rest


def _by_dates(days: DaysOfAccounts) -> list[tuple[list[date], list[str]]]:
    """Accounts with the same days together, for one call of a step each."""
    accounts: dict[tuple[date, ...], list[str]] = defaultdict(list)
    for account_id, dates in days.items():
        accounts[tuple(dates)].append(account_id)
    return [(list(dates), listed) for dates, listed in accounts.items() if dates]


def _error(failure: AccountFailure | None) -> CdrError | None:
    return DayNotSealable(failure.message) if failure else None


def _recorded(user: SignedIn, act: Act, results: list[ActResult], ctx: RunContext, reason: str) -> list[ActResult]:
    for day in results:
        if day.outcome in ("sealed", "restated", "unchanged"):
            record_event(user, act, ctx, account_id=day.account_id, business_date=day.business_date, reason=reason)
    return sorted(results, key=lambda day: (day.business_date, day.account_id))
