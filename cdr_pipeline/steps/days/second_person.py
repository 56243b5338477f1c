"""Seals and restatements that a second approver confirms: what needs one, requests that wait, and their approval.

A request is an event of the audit log: it waits until a later event of the same day carries it out or turns it down.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

from cdr_pipeline.errors import DayNotSealable, DecisionConflict
from cdr_pipeline.steps.accounts.users import SignedIn, record_event
from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext

Act = Literal["seal", "restate"]
_ASKED: Final[dict[str, Act]] = {"ask to seal": "seal", "ask to restate": "restate"}
_TURNED_DOWN: Final = "turn down"
_CLOSING: Final = ("seal", "restate", _TURNED_DOWN)
_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A request that waits for a second approver.

    Attributes:
        act: what is asked for.
        account_id, business_date: the day.
        asked_by, asked_at, reason: who asks, when and why.
        day_state: state of the day that the request is about; another state needs another request.
    """

    act: Act
    account_id: str
    business_date: date
    asked_by: str
    asked_at: datetime
    reason: str
    day_state: str


def needs_second_person(act: Act, account_id: str, business_date: date, ctx: RunContext) -> bool:
    """Whether the act reaches the limit above which a second approver confirms it."""
    settings = ctx.settings
    if act == "restate":
        limit = settings.second_person_rows
        if limit is None:
            return False
        with ctx.ledger() as ledger:
            lines = ledger.day_states.lines([account_id], business_date, business_date)
        # A number of rows that cannot be counted may be large.
        return bool(lines) and (lines[0].late_rows is None or lines[0].late_rows >= limit)
    if settings.second_person_amount is None:
        return False
    undecided: dict[str, Decimal] = defaultdict(Decimal)
    with ctx.ledger() as ledger:
        for item in ledger.decisions.sums(account_id, business_date):
            if item.state == "open":
                undecided[item.currency] += item.too_much + item.too_little
    return max(undecided.values(), default=Decimal(0)) >= settings.second_person_amount


def ask_second_person(
    act: Act, user: SignedIn, account_id: str, business_date: date, ctx: RunContext, *, reason: str
) -> None:
    """Records a request. Raises DecisionConflict if one of this day waits already."""
    if waiting_requests([account_id], ctx, business_date=business_date):
        raise DecisionConflict(
            "a request for this day waits for an approver", hint="approve it, or turn it down and ask again"
        )
    record_event(
        user,
        f"ask to {act}",
        ctx,
        account_id=account_id,
        business_date=business_date,
        subject=_day_state(account_id, business_date, ctx),
        reason=reason,
    )


def waiting_requests(
    accounts: Sequence[str] | None, ctx: RunContext, *, business_date: date | None = None
) -> list[WaitingRequest]:
    """Requests that wait, the oldest first; ``accounts`` None for all."""
    with ctx.ledger() as ledger:
        events = ledger.users.events(accounts, business_date=business_date, actions=[*_ASKED, *_CLOSING], most=_MOST)
    newest: dict[tuple[str, date], WaitingRequest | None] = {}
    for event in events:
        if event.account_id is None or event.business_date is None:
            continue
        act = _ASKED.get(event.action)
        key = (event.account_id, event.business_date)
        newest.setdefault(
            key,
            WaitingRequest(act, *key, event.user_name, event.happened_at, event.reason, event.subject) if act else None,
        )
    return [request for request in reversed(newest.values()) if request is not None]


def approve(user: SignedIn, account_id: str, business_date: date, ctx: RunContext) -> str:
    """Carries out the waiting request of a day and returns its outcome.

    Raises:
        DecisionConflict: no request waits, the day has changed since, or the user is the one who asked.
        DayNotSealable: the day could not be sealed or restated; the request waits on.
    """
    request = _waiting(account_id, business_date, ctx)
    if request.asked_by == user.name:
        raise DecisionConflict("you asked for this yourself", hint="another approver confirms it")
    if request.day_state != _day_state(account_id, business_date, ctx):
        raise DecisionConflict(
            "the day has changed since this was asked for; nothing was done", hint="turn it down and ask again"
        )
    actor = f"{request.asked_by}, confirmed by {user.name}"
    outcome = _carried_out(request, actor, ctx)
    record_event(
        user,
        request.act,
        ctx,
        account_id=account_id,
        business_date=business_date,
        subject=f"asked for by {request.asked_by}",
        reason=request.reason,
    )
    return outcome


def turn_down(user: SignedIn, account_id: str, business_date: date, ctx: RunContext) -> None:
    """Ends the waiting request of a day. Raises DecisionConflict if none waits."""
    request = _waiting(account_id, business_date, ctx)
    record_event(
        user,
        _TURNED_DOWN,
        ctx,
        account_id=account_id,
        business_date=business_date,
        subject=f"{request.act}, asked for by {request.asked_by}",
    )


def _waiting(account_id: str, business_date: date, ctx: RunContext) -> WaitingRequest:
    waiting = waiting_requests([account_id], ctx, business_date=business_date)
    if not waiting:
        raise DecisionConflict("no request for this day waits any more", hint="open the day again")
    return waiting[0]


def _carried_out(request: WaitingRequest, actor: str, ctx: RunContext) -> str:
    day, account_id = request.business_date, request.account_id
    if request.act == "seal":
        results = seal_days(SealRequest([day], [account_id], Override(actor, request.reason)), ctx)
        outcomes = [(item.outcome, item.failure) for item in results if item.business_date == day]
    else:
        restated = restate_days(RestateRequest(actor, request.reason, [day], [account_id]), ctx)
        outcomes = [(item.outcome, item.failure) for item in restated if item.business_date == day]
    outcome, failure = outcomes[-1] if outcomes else ("refused", None)
    if outcome in ("failed", "refused"):
        message = failure.message if failure else "a load or a collection of the day is running, or it is not late"
        raise DayNotSealable(message)
    return outcome


def _day_state(account_id: str, business_date: date, ctx: RunContext) -> str:
    with ctx.ledger() as ledger:
        record = ledger.days.find(account_id, business_date)
    return f"{record.state}, version {record.version}, change {record.changes}"
