"""Accounts by days of a month, each with its state, and acts on a range of days of several accounts."""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from cdr_pipeline.console.query import date_of
from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, OwnForm, require, visible_account, visible_accounts
from cdr_pipeline.console.tables import TableExport, wanted_format
from cdr_pipeline.errors import DayNotSealable
from cdr_pipeline.steps.accounts.users import Permission, SignedIn
from cdr_pipeline.steps.days import day_acts
from cdr_pipeline.steps.days.calendar import MarkedDay, calendar
from cdr_pipeline.steps.days.day_acts import ActResult

router = APIRouter()
# So many rows fit a page of 100 kB, each with the links of 31 days.
_ROWS: Final = 20
# An act on more days would keep a browser waiting for longer than a person waits.
_MOST_DAYS: Final = 500
_FINAL: Final = ("sealed", "restated")
_DAYS: Final = TableExport[MarkedDay](
    "calendar",
    {
        "account": lambda item: item.account_id,
        "business_date": lambda item: item.business_date,
        "state": lambda item: item.mark,
        "undecided_breaks": lambda item: item.day.breaks if item.day else None,
    },
)


@router.get("/calendar")
def show_calendar(request: Request, user: CurrentUser) -> Response:
    """One month; filters and pages are in the URL."""
    return _show(request, user)


class RangeForm(BaseModel):
    """Form of an act on a range: the selected accounts, first and last day, act, and its reason."""

    accounts: Annotated[list[Annotated[str, Field(max_length=200)]], Field(alias="account", max_length=_MOST_DAYS)] = []
    first: date
    last: date
    act: Literal["seal", "restate"]
    reason: Annotated[str, Field(max_length=1_000)] = ""


@router.post("/calendar", dependencies=[OwnForm])
def act_on_range(request: Request, user: CurrentUser, form: Annotated[RangeForm, Form()]) -> Response:
    """Seals or restates all days of the range that can be, and says what happened to each."""
    require(user, Permission.DECIDE)
    reason = form.reason.strip()
    if reason or form.act == "restate":
        require(user, Permission.OVERRIDE)
    accounts = [visible_account(user, account_id).account_id for account_id in form.accounts]
    if not accounts:
        return _show(request, user, refusal="Select an account.", status=400)
    if form.act == "restate" and not reason:
        return _show(request, user, refusal="A restatement needs a reason.", status=400)
    ctx = service_of(request).ctx
    days = _days(calendar(accounts, form.first, form.last, ctx), form.act)
    if sum(map(len, days.values())) > _MOST_DAYS:
        raise DayNotSealable(f"the range has more than {_MOST_DAYS} such days", hint="choose fewer accounts or days")
    if form.act == "seal":
        results = day_acts.seal(user, days, ctx, reason=reason)
    else:
        results = day_acts.restate(user, days, ctx, reason=reason)
    return _show(request, user, results=results)


def _days(marked: Sequence[MarkedDay], act: Literal["seal", "restate"]) -> dict[str, list[date]]:
    """The days that an act concerns, by account: open ones to seal, late ones to restate."""
    days: dict[str, list[date]] = defaultdict(list)
    for item in marked:
        if item.day is not None and item.mark not in _FINAL and (item.mark == "late") == (act == "restate"):
            days[item.account_id].append(item.business_date)
    return days


def _show(
    request: Request,
    user: SignedIn,
    *,
    results: Sequence[ActResult] | None = None,
    refusal: str = "",
    status: int = 200,
) -> Response:
    ctx = service_of(request).ctx
    query = request.query_params
    today = ctx.clock().date()
    first = date_of(f"{query.get('month', '')}-01", today.replace(day=1))
    last = first.replace(day=monthrange(first.year, first.month)[1])
    words = query.get("name", "").strip().lower()
    accounts = {
        account_id: account
        for account_id, account in visible_accounts(user).items()
        if words in account.name.lower() or words in account_id
    }
    number = _page_number(query.get("page", ""))
    only_action = "action" in query
    if only_action:
        wanted = {item.account_id for item in calendar(list(accounts), first, last, ctx, only_action=True)}
        accounts = {account_id: account for account_id, account in accounts.items() if account_id in wanted}
    if wanted_format(request):
        return _DAYS.file(request, user, calendar(list(accounts), first, last, ctx))
    shown = _part(list(accounts), number)
    marked = calendar(shown, first, last, ctx)
    cells: dict[str, dict[date, MarkedDay]] = defaultdict(dict)
    for item in marked:
        cells[item.account_id][item.business_date] = item
    return page(
        request,
        "calendar.html",
        status=status,
        accounts=visible_accounts(user),
        count=len(accounts),
        shown=shown,
        days=[first.replace(day=number) for number in range(1, last.day + 1)],
        cells=cells,
        month=first,
        last=max(first, min(last, today)),
        previous=_shifted(first, -1),
        following=_shifted(first, 1),
        name=query.get("name", ""),
        only_action=only_action,
        number_of_page=number,
        more=len(accounts) > number * _ROWS,
        results=results,
        refusal=refusal,
    )


def _part(accounts: Sequence[str], number: int) -> Sequence[str]:
    """The accounts of one page."""
    return accounts[(number - 1) * _ROWS : number * _ROWS]


def _shifted(month: date, by: int) -> date:
    index = max(12, min(month.year * 12 + month.month - 1 + by, 9_998 * 12))
    return date(index // 12, index % 12 + 1, 1)


def _page_number(text: str) -> int:
    return max(1, min(int(text), 10_000)) if text.isascii() and text.isdigit() and len(text) < 6 else 1  # noqa: PLR2004
