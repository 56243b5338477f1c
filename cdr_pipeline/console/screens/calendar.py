"""Accounts by days of a month, each with its state."""

from calendar import monthrange
from datetime import date
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cdr_pipeline.console.query import date_of
from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, visible_accounts
from cdr_pipeline.console.tables import TableExport, wanted_format
from cdr_pipeline.steps.days.calendar import NEEDS_ACTION, MarkedDay, calendar

router = APIRouter()
_ROWS: Final = 100
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
    ctx = service_of(request).ctx
    query = request.query_params
    first = date_of(f"{query.get('month', '')}-01", ctx.clock().date().replace(day=1))
    last = first.replace(day=monthrange(first.year, first.month)[1])
    words = query.get("name", "").strip().lower()
    accounts = {
        account_id: account
        for account_id, account in visible_accounts(user).items()
        if words in account.name.lower() or words in account_id
    }
    marked = calendar(list(accounts), first, last, ctx)
    by_account: dict[str, dict[date, object]] = {}
    for item in marked:
        by_account.setdefault(item.account_id, {})[item.business_date] = item
    only_action = "action" in query
    if only_action:
        wanted = {item.account_id for item in marked if item.mark in NEEDS_ACTION}
        accounts = {account_id: account for account_id, account in accounts.items() if account_id in wanted}
    if wanted_format(request):
        return _DAYS.file(request, user, [item for item in marked if item.account_id in accounts])
    number = _page_number(query.get("page", ""))
    shown = list(accounts)[(number - 1) * _ROWS : number * _ROWS]
    return page(
        request,
        "calendar.html",
        accounts=accounts,
        shown=shown,
        days=[first.replace(day=number) for number in range(1, last.day + 1)],
        cells=by_account,
        month=first,
        previous=_shifted(first, -1),
        following=_shifted(first, 1),
        name=query.get("name", ""),
        only_action=only_action,
        number_of_page=number,
        more=len(accounts) > number * _ROWS,
    )


def _shifted(month: date, by: int) -> date:
    index = max(12, min(month.year * 12 + month.month - 1 + by, 9_998 * 12))
    return date(index // 12, index % 12 + 1, 1)


def _page_number(text: str) -> int:
    return max(1, min(int(text), 10_000)) if text.isascii() and text.isdigit() and len(text) < 6 else 1  # noqa: PLR2004
