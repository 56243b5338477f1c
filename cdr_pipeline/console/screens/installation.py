"""Deliveries of files, accounts, and nights with their causes."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from cdr_pipeline.console.query import date_of, text_of
from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import (
    CurrentUser,
    OwnForm,
    chosen_account,
    require,
    visible_accounts,
)
from cdr_pipeline.console.tables import TableExport, wanted_format, wanted_table
from cdr_pipeline.errors import CdrError, DecisionConflict
from cdr_pipeline.steps.accounts.users import Permission, SignedIn, record_event
from cdr_pipeline.steps.days.calendar import Mark, calendar, night_summaries
from cdr_pipeline.steps.operations.day_runs import StartedRun, day_runs, start_day_run
from cdr_pipeline.warehouse.ledger import Account, Delivery

router = APIRouter()
_STATES: Final = ("pending", "refused", "delivered")
_SHOWN: Final = 200
_NIGHTS: Final = 14
_SUGGESTED: Final = 20
_LOOKED_BACK: Final = timedelta(days=62)
_DELIVERIES: Final = TableExport[Delivery](
    "deliveries",
    {
        "account": lambda item: item.account_id,
        "target": lambda item: item.target,
        "file": lambda item: item.path.rpartition("/")[2],
        "business_date": lambda item: item.business_date,
        "version": lambda item: item.version,
        "state": lambda item: item.state,
        "attempts": lambda item: item.attempts,
        "due_utc": lambda item: item.due_at,
        "delivered_utc": lambda item: item.delivered_at,
        "receipt": lambda item: item.receipt,
        "error": lambda item: item.error_code,
        "sha256": lambda item: item.sha256,
    },
)
_ACCOUNTS: Final = TableExport[Account](
    "accounts",
    {
        "account": lambda item: item.account_id,
        "name": lambda item: item.name,
        "parent": lambda item: item.parent_id,
        "time_zone": lambda item: item.time_zone,
        "country_code": lambda item: item.country_code,
        "collected": lambda item: "yes" if item.active else "no",
        "api_dialect": lambda item: item.dialect,
    },
)


@dataclass(frozen=True, slots=True)
class _NightLine:
    """Accounts of a night in one state, or with one cause."""

    business_date: date
    state: str
    accounts: int
    error: str = ""
    cause: str = ""


_NIGHTS_TABLE: Final = TableExport[_NightLine](
    "nights",
    {
        "business_date": lambda item: item.business_date,
        "state": lambda item: item.state,
        "accounts": lambda item: item.accounts,
        "error": lambda item: item.error,
        "cause": lambda item: item.cause,
    },
)
_RUNS: Final = TableExport[StartedRun](
    "runs",
    {
        "business_date": lambda item: item.business_date,
        "accounts": lambda item: ", ".join(item.accounts) or "all",
        "started_by": lambda item: item.started_by,
        "started_utc": lambda item: item.started_at,
        "exit_code": lambda item: item.exit_code,
        "last_line": lambda item: item.lines[-1] if item.lines else "",
    },
)


@router.get("/deliveries")
def show_deliveries(request: Request, user: CurrentUser) -> Response:
    """Files on their way to others, the longest waiting first."""
    ctx = service_of(request).ctx
    state = request.query_params.get("state", "")
    with ctx.ledger() as ledger:
        found = ledger.deliveries.list_all(
            user.accounts,
            [state] if state in _STATES else _STATES,
            most=None if wanted_format(request) else _SHOWN + 1,
        )
    if wanted_format(request):
        return _DELIVERIES.file(request, user, found)
    return page(
        request,
        "deliveries.html",
        accounts=visible_accounts(user),
        state=state,
        states=_STATES,
        deliveries=found[:_SHOWN],
        count=len(found),
        most=_SHOWN,
    )


@router.get("/accounts")
def show_accounts(request: Request, user: CurrentUser) -> Response:
    """Accounts with zone, country, currencies and carriers."""
    ctx = service_of(request).ctx
    words = request.query_params.get("name", "").strip().lower()
    accounts = {
        account_id: account
        for account_id, account in visible_accounts(user).items()
        if words in account.name.lower() or words in account_id
    }
    if wanted_format(request):
        return _ACCOUNTS.file(request, user, accounts.values())
    shown = list(accounts)[:_SHOWN]
    with ctx.ledger() as ledger:
        carriers = ledger.invoices.carriers_of_accounts(shown, ctx.clock().date() - _LOOKED_BACK)
    by_account: dict[str, list[str]] = defaultdict(list)
    for item in carriers:
        by_account[item.account_id].append(f"{item.carrier} ({item.currency})")
    return page(
        request,
        "accounts.html",
        accounts=accounts,
        everyone=visible_accounts(user),
        shown=shown,
        carriers=by_account,
        name=request.query_params.get("name", ""),
        most=_SHOWN,
    )


@router.get("/accounts/names")
def name_accounts(request: Request, user: CurrentUser) -> JSONResponse:
    """Names of accounts that contain a text, for fields that suggest accounts while a person types."""
    words = text_of(request, "q").lower()
    named = [account.name or account_id for account_id, account in visible_accounts(user).items()
             if words in account.name.lower() or words in account_id]  # fmt: skip
    return JSONResponse(named[:_SUGGESTED])


@router.get("/operations")
def show_operations(request: Request, user: CurrentUser) -> Response:
    """The last nights: what each left undone, and why; and runs that people have started."""
    return _operations(request, user)


@router.post("/operations/run", dependencies=[OwnForm])
def run_day(
    request: Request,
    user: CurrentUser,
    business_date: Annotated[date, Form(alias="date")],
    account: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Starts the nightly job for a day of one account, or of all accounts that the user sees."""
    require(user, Permission.OPERATE)
    chosen = chosen_account(user, account)
    accounts = [chosen] if chosen else []
    if not chosen and not user.everything:
        accounts = [item.account_id for item in user.visible.values() if item.active]
    ctx = service_of(request).ctx
    try:
        start_day_run(business_date, accounts, ctx, started_by=user.name)
    except CdrError as error:
        return _operations(request, user, refusal=error, status=409 if isinstance(error, DecisionConflict) else 400)
    record_event(user, "run a day", ctx, account_id=chosen or None, business_date=business_date)
    return RedirectResponse("/operations?notice=run#run", status_code=303)


def _operations(request: Request, user: SignedIn, *, refusal: CdrError | None = None, status: int = 200) -> Response:
    require(user, Permission.OPERATE)
    ctx = service_of(request).ctx
    last = ctx.clock().date()
    first = last - timedelta(days=_NIGHTS)
    marked = calendar(user.accounts, first, last, ctx, only_action=True)
    marks = {item.business_date: item.marks for item in night_summaries(user.accounts, first, last, marked, ctx)}
    with ctx.ledger() as ledger:
        failed = ledger.health.failed_days(user.accounts)
    causes: dict[date, Counter[tuple[str, str]]] = defaultdict(Counter)
    for item in failed:
        causes[item.business_date][item.error_code or "", item.cause or ""] += 1
    nights = sorted({*marks, *causes}, reverse=True)[: _NIGHTS + 1]
    runs = [
        run for run in day_runs(ctx) if user.everything or (run.accounts and set(run.accounts) <= set(user.accounts))
    ]
    table = wanted_table(request)
    if table == "runs":
        return _RUNS.file(request, user, runs)
    if table == "nights":
        return _NIGHTS_TABLE.file(request, user, _night_lines(nights, marks, causes))
    return page(
        request,
        "operations.html",
        status=status,
        nights=nights,
        marks=marks,
        causes=causes,
        accounts=visible_accounts(user),
        runs=runs,
        date=date_of(request.query_params.get("date", ""), last - timedelta(days=1)),
        latest=last - timedelta(days=1),
        account_id=request.query_params.get("account", ""),
        refusal=refusal,
    )


def _night_lines(
    nights: Sequence[date],
    marks: Mapping[date, Mapping[Mark, int]],
    causes: Mapping[date, Counter[tuple[str, str]]],
) -> list[_NightLine]:
    lines: list[_NightLine] = []
    for day in nights:
        lines += [_NightLine(day, mark, count) for mark, count in marks.get(day, {}).items()]
        found = causes.get(day, Counter())
        lines += [_NightLine(day, "failed", count, code, cause) for (code, cause), count in found.items()]
    return lines
