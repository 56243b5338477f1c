"""Carriers: months with charges and invoices, what is payable for one month, and the invoices themselves."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from cdr_pipeline.console.catalog import Language
from cdr_pipeline.console.query import date_of
from cdr_pipeline.console.rendering import language_of, page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import (
    CurrentUser,
    NotVisible,
    OwnForm,
    chosen_account,
    require,
    visible_account,
    visible_accounts,
)
from cdr_pipeline.console.staged_files import forget, stage
from cdr_pipeline.console.tables import TableExport, wanted_format, wanted_table
from cdr_pipeline.core.charts.plot import ChartSeries, columns_svg
from cdr_pipeline.core.reconcile.invoices.comparison import ComparedRow
from cdr_pipeline.core.reconcile.invoices.invoice import Invoice, InvoiceLine
from cdr_pipeline.errors import CdrError, InvoiceNotFound
from cdr_pipeline.exports.invoices.period_page import MonthOfCarrier, PeriodPage
from cdr_pipeline.steps.accounts.users import Permission, SignedIn, record_event
from cdr_pipeline.steps.invoices.carrier_months import CarrierSummary, carrier_months
from cdr_pipeline.steps.invoices.compare_invoices import PeriodRequest, period_page
from cdr_pipeline.steps.invoices.invoices import InvoiceEntry, add_invoice, list_invoices, show_invoice
from cdr_pipeline.steps.run_context import RunContext

router = APIRouter()
_MONTHS: Final = 6
_ROWS: Final = 100
_CARRIERS: Final = TableExport[CarrierSummary](
    "carriers",
    {
        "carrier": lambda item: item.carrier,
        "month": lambda item: f"{item.month:%Y-%m}",
        "currency": lambda item: item.currency,
        "charged": lambda item: item.charged,
        "at_risk": lambda item: item.at_risk,
        "invoiced": lambda item: item.invoiced if item.invoices else None,
        "invoices": lambda item: item.invoices,
        "days": lambda item: item.days,
        "days_not_green": lambda item: item.red_days,
    },
)


@dataclass(frozen=True, slots=True)
class _Destination:
    currency: str
    row: ComparedRow


_DESTINATIONS: Final = TableExport[_Destination](
    "carrier_month",
    {
        "currency": lambda item: item.currency,
        "destination": lambda item: item.row.name,
        "invoiced": lambda item: item.row.invoiced,
        "charged": lambda item: item.row.charged,
        "records": lambda item: item.row.records,
        "agreed": lambda item: item.row.agreed,
        "legs": lambda item: item.row.legs,
        "invoiced_too_much": lambda item: item.row.too_much,
        "invoiced_too_little": lambda item: item.row.too_little,
        "disputed": lambda item: item.row.parts.disputed,
        "credited": lambda item: item.row.parts.credited,
        "undecided": lambda item: item.row.parts.undecided,
        "unpriced": lambda item: item.row.parts.unpriced,
        "not_charged_yet": lambda item: item.row.parts.not_charged,
        "margin": lambda item: item.row.margin,
    },
)
_LINES: Final = TableExport[InvoiceLine](
    "invoice",
    {
        "line": lambda line: line.line_no,
        "kind": lambda line: line.kind,
        "destination": lambda line: line.destination,
        "rate": lambda line: line.rate,
        "day": lambda line: line.day,
        "direction": lambda line: line.direction,
        "calls": lambda line: line.calls,
        "minutes": lambda line: line.minutes,
        "amount": lambda line: line.amount,
        "currency": lambda line: line.currency,
    },
)
_INVOICES: Final = TableExport[tuple[Invoice, str, Decimal]](
    "invoices",
    {
        "number": lambda item: item[0].number,
        "carrier": lambda item: item[0].carrier,
        "account": lambda item: item[0].account_id,
        "first_day": lambda item: item[0].first_date,
        "last_day": lambda item: item[0].last_date,
        "time_zone": lambda item: item[0].time_zone,
        "total": lambda item: item[2],
        "currency": lambda item: item[1],
        "version": lambda item: item[0].version,
        "entered_utc": lambda item: item[0].entered_at,
        "entered_by": lambda item: item[0].entered_by,
        "file": lambda item: item[0].file_name,
        "reason": lambda item: item[0].reason,
    },
)
_TREND: Final = TableExport[MonthOfCarrier](
    "carrier_months",
    {
        "month": lambda item: f"{item.month:%Y-%m}",
        "currency": lambda item: item.currency,
        "charged": lambda item: item.charged,
        "at_risk": lambda item: item.at_risk,
        "invoiced": lambda item: item.invoiced,
    },
)


@dataclass(frozen=True, slots=True)
class Trend:
    """Months of a carrier in one currency, as a chart and as numbers."""

    currency: str
    months: list[MonthOfCarrier]
    chart: str


@router.get("/carriers")
def show_carriers(request: Request, user: CurrentUser) -> Response:
    """All carriers with their newest months."""
    ctx = service_of(request).ctx
    last = ctx.clock().date()
    months = carrier_months(user.accounts, _months_before(last, _MONTHS), last, ctx)
    if wanted_format(request):
        return _CARRIERS.file(request, user, months)
    return page(request, "carriers.html", months=months, count_of_months=_MONTHS)


@router.get("/carriers/month")
def show_month(request: Request, user: CurrentUser) -> Response:
    """What is payable to a carrier for a month: charged, agreed, disputed, credited, and the invoices."""
    wanted = _wanted(request, user)
    if wanted_table(request) == "invoices":
        return _invoice_file(request, user, _invoices(wanted.carrier, user, service_of(request).ctx))
    if wanted_format(request):
        compared = period_page(wanted, service_of(request).ctx)
        if wanted_table(request) == "months":
            return _TREND.file(request, user, compared.months)
        rows = [_Destination(item.currency, row) for item in compared.comparison.currencies for row in item.rows]
        return _DESTINATIONS.file(request, user, rows)
    return _show_month(request, user, wanted)


class InvoiceForm(BaseModel):
    """Form of an invoice: either a file or a total."""

    account: Annotated[str, Field(max_length=200)]
    carrier: Annotated[str, Field(max_length=200)]
    number: Annotated[str, Field(max_length=200)]
    first: date
    last: date
    total: Annotated[str, Field(max_length=60)] = ""
    currency: Annotated[str, Field(max_length=10)] = ""
    reason: Annotated[str, Field(max_length=1_000)] = ""


@router.post("/invoices", dependencies=[OwnForm])
def enter_invoice(
    request: Request, user: CurrentUser, form: Annotated[InvoiceForm, Form()], file: UploadFile | None = None
) -> Response:
    """Stores an invoice. With a reason, it corrects a stored one of the same number."""
    require(user, Permission.DECIDE)
    owner = visible_account(user, chosen_account(user, form.account))
    ctx = service_of(request).ctx
    staged = None
    if file is not None and file.filename:
        staged = stage(
            file.file, user_id=user.user_id, account_id=owner.account_id, profile="invoice", file_name=file.filename
        )
    try:
        entered = add_invoice(
            InvoiceEntry(
                carrier=form.carrier,
                number=form.number,
                first_date=form.first,
                last_date=form.last,
                entered_by=user.name,
                account_id=owner.account_id,
                path=staged.path if staged else None,
                total=form.total.strip() or None if staged is None else None,
                currency=form.currency.strip().upper(),
                reason=form.reason,
                replace=bool(form.reason.strip()),
            ),
            ctx,
        )
    except CdrError as error:
        wanted = PeriodRequest(form.carrier, form.first, max(form.first, form.last), _root(user, owner.account_id))
        return _show_month(request, user, wanted, refusal=error, status=400)
    finally:
        if staged is not None:
            forget(staged)
    if entered.is_new:
        record_event(
            user,
            "invoice",
            ctx,
            account_id=owner.account_id,
            subject=f"{form.carrier}, {form.first} to {form.last}, version {entered.invoice.version}",
            reason=form.reason.strip(),
        )
    notice = "invoice" if entered.is_new else "invoice_known"
    query = {"carrier": form.carrier.strip(), "first": form.first, "last": form.last, "notice": notice}
    return RedirectResponse(request.url_for("show_month").include_query_params(**query), status_code=303)


@router.get("/invoices")
def show_one(request: Request, user: CurrentUser) -> Response:
    """Lines and versions of one invoice."""
    query = request.query_params
    owner = visible_account(user, query.get("account", ""))
    try:
        versions = show_invoice(
            query.get("number", ""),
            service_of(request).ctx,
            carrier=query.get("carrier", ""),
            accounts=[owner.account_id],
        )
    except InvoiceNotFound:
        raise NotVisible from None
    if wanted_table(request) == "versions":
        return _invoice_file(request, user, versions)
    if wanted_format(request):
        return _LINES.file(request, user, versions[-1].lines)
    return page(request, "invoice.html", account=owner, invoice=versions[-1], versions=versions, most=_ROWS)


def _invoice_file(request: Request, user: SignedIn, invoices: Sequence[Invoice]) -> Response:
    """A row for each invoice and currency."""
    rows = [(item, unit, value) for item in invoices for unit, value in item.totals().items()]
    return _INVOICES.file(request, user, rows)


def _wanted(request: Request, user: SignedIn) -> PeriodRequest:
    query = request.query_params
    carrier, account_id = query.get("carrier", ""), chosen_account(user, query.get("account", ""))
    if not carrier:
        raise NotVisible
    today = service_of(request).ctx.clock().date()
    if "first" in query or "last" in query:
        first = date_of(query.get("first", ""), today.replace(day=1))
        return PeriodRequest(carrier, first, max(first, date_of(query.get("last", ""), today)), _root(user, account_id))
    first = date_of(f"{query.get('month', '')}-01", today.replace(day=1))
    last = first.replace(day=monthrange(first.year, first.month)[1])
    return PeriodRequest(carrier, first, last, _root(user, account_id))


def _root(user: SignedIn, account_id: str) -> str | None:
    """The account to compare: the chosen one, otherwise the root of what the user sees; None for all accounts."""
    if account_id or user.everything:
        return account_id or None
    return next((item.account_id for item in user.visible.values() if item.parent_id not in user.visible), None)


def _show_month(
    request: Request, user: SignedIn, wanted: PeriodRequest, *, refusal: CdrError | None = None, status: int = 200
) -> Response:
    ctx = service_of(request).ctx
    compared: PeriodPage | None
    try:
        compared = period_page(wanted, ctx)
    except InvoiceNotFound:
        compared = None
    return page(
        request,
        "carrier_month.html",
        status=status,
        accounts=visible_accounts(user),
        account_id=chosen_account(user, request.query_params.get("account", "")),
        carrier=wanted.carrier,
        first=wanted.first_date,
        last=wanted.last_date,
        is_month=wanted.first_date.day == 1
        and wanted.last_date == (wanted.first_date + timedelta(days=31)).replace(day=1) - timedelta(days=1),
        compared=compared,
        trends=_trends(compared.months, language_of(request)) if compared else [],
        invoices=_invoices(wanted.carrier, user, ctx),
        most=_ROWS,
        refusal=refusal,
    )


def _invoices(carrier: str, user: SignedIn, ctx: RunContext) -> list[Invoice]:
    """The carrier's invoices of all visible accounts, the newest period first."""
    found = list_invoices(ctx, carrier=carrier)
    return sorted(
        (item for item in found if item.account_id in user.visible), key=lambda item: item.first_date, reverse=True
    )


def _trends(months: Sequence[MonthOfCarrier], language: Language) -> list[Trend]:
    by_currency: dict[str, list[MonthOfCarrier]] = {}
    for month in months:
        by_currency.setdefault(month.currency, []).append(month)
    return [Trend(currency, listed, _chart(currency, listed, language)) for currency, listed in by_currency.items()]


def _chart(currency: str, months: list[MonthOfCarrier], language: Language) -> str:
    """Columns of what was charged: at risk, and the rest."""

    def height(value: Decimal | None) -> float | None:
        return None if value is None else max(0.0, float(value))

    at_risk = tuple(height(month.at_risk) for month in months)
    rest = tuple(
        None if month.charged is None else max(0.0, float(month.charged - max(month.at_risk or Decimal(0), Decimal(0))))
        for month in months
    )
    title = language.text("Charged by month, {currency}", currency=currency)
    series = [ChartSeries(language.text("not at risk"), rest), ChartSeries(language.text("at risk"), at_risk)]
    return columns_svg(title, [language.month(month.month) for month in months], series, language.number)


def _months_before(day: date, months: int) -> date:
    first = day.replace(day=1)
    for _ in range(months - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    return first
