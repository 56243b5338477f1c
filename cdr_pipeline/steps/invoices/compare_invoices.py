"""Compares a carrier's invoices of a period with its records, our legs and decisions, and writes the period's page.

"What do we owe this carrier for October?" is ``compare_period`` for the month.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from cdr_pipeline.core.charts.composed_text import ComposedText
from cdr_pipeline.core.reconcile.invoices.compared_rows import ComparedRow
from cdr_pipeline.core.reconcile.invoices.comparison import InvoiceComparison, compare_invoices
from cdr_pipeline.core.reconcile.invoices.currency_comparison import CurrencyComparison
from cdr_pipeline.core.reconcile.invoices.invoice import Invoice
from cdr_pipeline.core.reconcile.invoices.later_changes import ChangeSinceInvoice
from cdr_pipeline.core.reconcile.result.breaks import Break
from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.errors import ConfigurationError, InvoiceNotFound
from cdr_pipeline.exports.atomic import new_file, sole_writer
from cdr_pipeline.exports.invoices.period_page import MonthOfCarrier, PeriodPage, render_period
from cdr_pipeline.sources.uploads.profiles import list_profiles
from cdr_pipeline.steps.invoices.invoices import carrier_zone, show_invoice
from cdr_pipeline.steps.reconciliation.reconciliation_report import safe_name
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.invoices.invoices import ReconciledCharge
from cdr_pipeline.warehouse.ledger import Account, Ledger

# Files of a carrier are considered this many days around the period, to find calls that are billed late.
_AROUND: Final = timedelta(days=31)
_MONTHS: Final = 6
_MOST_CALLS: Final = 500


@dataclass(frozen=True, slots=True)
class PeriodRequest:
    """Which period of which carrier to compare.

    Attributes:
        carrier: name of the carrier.
        first_date, last_date: period in the carrier's zone, both days included.
        account_id: account whose calls, and those of the accounts below it, are compared; None for all accounts.
        folder: folder of the page; None for that of the reconciliations.
    """

    carrier: str
    first_date: date
    last_date: date
    account_id: str | None = None
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class ComparedPeriod:
    """Comparison of a carrier's period.

    Attributes:
        request: what was compared.
        time_zone: zone of the period.
        comparison: amounts by currency and destination.
        breaks: breaks of the period, the largest amount at risk first; at most 500.
        missing_days: days of the period without a reconciliation.
        red_days: days of the period whose reconciliation is red or provisional.
        page: path of the page.
    """

    request: PeriodRequest
    time_zone: str
    comparison: InvoiceComparison
    breaks: tuple[Break, ...]
    missing_days: tuple[date, ...]
    red_days: tuple[date, ...]
    page: Path

    def as_json(self) -> dict[str, Any]:
        """The comparison for other programs; amounts are text, so that no reader rounds them."""
        comparison = self.comparison
        return {
            "carrier": self.request.carrier,
            "account": self.request.account_id,
            "first_date": str(self.request.first_date),
            "last_date": str(self.request.last_date),
            "time_zone": self.time_zone,
            "invoices": [
                {
                    "account": item.account_id,
                    "number": item.number,
                    "version": item.version,
                    "first_date": str(item.first_date),
                    "last_date": str(item.last_date),
                    "totals": {unit: str(amount) for unit, amount in item.totals().items()},
                }
                for item in comparison.invoices
            ],
            "currencies": [_currency_json(item) for item in comparison.currencies],
            "credit_notes": [
                {
                    "account": note.account_id,
                    "number": note.number,
                    "amount": str(note.amount),
                    "currency": note.currency,
                    "used": str(note.used),
                }
                for note in comparison.credit_notes
            ],
            "changed_since_invoice": [
                {
                    "kind": change.kind,
                    "what": change.what,
                    "currency": change.currency,
                    "calls": change.calls,
                    "amount": str(change.amount),
                    "amount_before": str(change.amount_before),
                }
                for change in comparison.changes
            ],
            "findings": [*comparison.findings],
            "days_without_reconciliation": [str(day) for day in self.missing_days],
            "days_not_green": [str(day) for day in self.red_days],
            "page": str(self.page),
        }


def compare_period(request: PeriodRequest, ctx: RunContext) -> ComparedPeriod:
    """Compares a carrier's period and writes its page. The same data gives the same page, byte by byte.

    Raises:
        AccountNotFound: the account is not registered.
        InvoiceNotFound: the carrier has neither invoices nor reconciliations in the period.
        ExportError: the page cannot be written.
    """
    page = period_page(request, ctx)
    path = _path(request, ctx)
    content = render_period(page)
    with sole_writer(path.parent):
        if not (path.exists() and path.read_bytes() == content):
            with new_file(path) as writing:
                writing.write(content)
                writing.place()
    return ComparedPeriod(
        request,
        page.time_zone,
        page.comparison,
        tuple(page.breaks),
        tuple(page.missing_days),
        tuple(page.red_days),
        path,
    )


def period_page(request: PeriodRequest, ctx: RunContext) -> PeriodPage:
    """Compares a carrier's period: what its page contains. Writes nothing.

    Raises:
        AccountNotFound: the account is not registered.
        InvoiceNotFound: the carrier has neither invoices nor reconciliations in the period.
    """
    if request.first_date > request.last_date:
        raise ConfigurationError("the period ends before it begins", hint="swap the two days")
    with ctx.ledger() as ledger:
        accounts = _scope(request.account_id, ledger)
        owners = [account.account_id for account in accounts]
        zone = carrier_zone(request.carrier, accounts[0], ctx)
        invoices = ledger.invoices.find(owners, carrier=request.carrier)
        months = _months_before(request.last_date)
        days = ledger.invoices.reconciled_days(owners, request.carrier, months[0], request.last_date)
        in_period = [day for day in days if request.first_date <= day.business_date]
        inside = [
            item for item in invoices if item.first_date <= request.last_date and item.last_date >= request.first_date
        ]
        if not in_period and not inside:
            raise InvoiceNotFound(
                f"carrier {request.carrier!r} has no invoice and no reconciliation from {request.first_date} to"
                f" {request.last_date}",
                hint="'cdr-pipeline breaks list' and 'cdr-pipeline invoices list' show the names of carriers",
            )
        comparison = compare_invoices(
            invoices,
            ledger.invoices.charges(
                owners, request.carrier, request.first_date - _AROUND, request.last_date + _AROUND, zone
            ),
            first_date=request.first_date,
            last_date=request.last_date,
            customers_pay=_customers_pay(days, ctx),
            credit_notes=ledger.invoices.credit_notes(owners, request.carrier),
            changes=_changes(request, invoices, owners, zone, ledger),
        )
        breaks = _breaks(request, owners, zone, ledger)
        trend = _trend(months, days, invoices)
    missing = _missing_days(request, in_period, ctx.clock().date())
    red = sorted({day.business_date for day in in_period if not day.is_green})
    return PeriodPage(
        carrier=request.carrier,
        account_name=_account_name(request, accounts),
        first_date=request.first_date,
        last_date=request.last_date,
        time_zone=zone,
        comparison=comparison,
        breaks=breaks,
        months=trend,
        missing_days=missing,
        red_days=tuple(red),
    )


def period_of_invoice(
    number: str, ctx: RunContext, *, carrier: str | None = None, account_id: str | None = None
) -> PeriodRequest:
    """The period of an invoice as a request.

    Raises:
        InvoiceNotFound: no invoice, or invoices of several carriers or accounts, have this number.
    """
    newest = show_invoice(number, ctx, carrier=carrier, accounts=[account_id] if account_id else None)[-1]
    return PeriodRequest(newest.carrier, newest.first_date, newest.last_date, newest.account_id)


def _changes(
    request: PeriodRequest, invoices: Sequence[Invoice], owners: Sequence[str], zone: str, ledger: Ledger
) -> list[ChangeSinceInvoice]:
    """What changed after the newest invoice of the period: after the day of issue, or after it was entered."""
    inside = [
        item for item in invoices if request.first_date <= item.first_date and item.last_date <= request.last_date
    ]
    moments = [day_bounds(item.issued_on, zone)[1] if item.issued_on else item.entered_at for item in inside]
    since = max((moment for moment in moments if moment is not None), default=None)
    if since is None:
        return []
    return ledger.invoices.changes(owners, request.carrier, (request.first_date, request.last_date), zone, since)


def _scope(account_id: str | None, ledger: Ledger) -> list[Account]:
    """The account and the accounts below it, the account first; all active accounts if none is named."""
    if account_id is None:
        return ledger.accounts.active()
    scope = ledger.accounts.active([account_id])
    everyone = ledger.accounts.all()
    known = {account_id}
    while below := [item for item in everyone if item.parent_id in known and item.account_id not in known]:
        scope += below
        known |= {item.account_id for item in below}
    return scope


def _account_name(request: PeriodRequest, accounts: Sequence[Account]) -> str:
    if request.account_id is None and len(accounts) > 1:
        return ComposedText("all {count} accounts", count=len(accounts))
    name = accounts[0].name or accounts[0].account_id
    return (
        ComposedText("{name} and {count} below it", name=name, count=len(accounts) - 1) if len(accounts) > 1 else name
    )


def _customers_pay(days: Sequence[ReconciledCharge], ctx: RunContext) -> bool:
    """Whether the switch's prices are what customers pay: the carrier's prices are in a rate card, or not compared."""
    name = next((day.profile for day in sorted(days, key=lambda day: day.business_date, reverse=True)), None)
    profile = list_profiles(ctx.settings.profile_dir).get(name or "")
    return profile is not None and (bool(profile.reconcile.rate_card) or not profile.reconcile.compare_amounts)


def _breaks(request: PeriodRequest, owners: Sequence[str], zone: str, ledger: Ledger) -> list[Break]:
    starts_at = day_bounds(request.first_date, zone)[0]
    ends_at = day_bounds(request.last_date, zone)[1]
    near = timedelta(days=2)
    listed = ledger.reconciliations.breaks(
        owners,
        first_date=request.first_date - near,
        last_date=request.last_date + near,
        carrier=request.carrier,
        most=_MOST_CALLS,
    )
    return [item for item in listed if starts_at <= (item.carrier_started_at or item.call_started_at) < ends_at]


def _missing_days(request: PeriodRequest, days: Sequence[ReconciledCharge], today: date) -> tuple[date, ...]:
    """Days of the period that have ended and were not reconciled."""
    known = {day.business_date for day in days}
    length = (request.last_date - request.first_date).days + 1
    every = (request.first_date + timedelta(days=number) for number in range(length))
    return tuple(day for day in every if day < today and day not in known)


def _months_before(day: date) -> list[date]:
    """First days of six months, the last of which is that of ``day``."""
    months = [day.replace(day=1)]
    while len(months) < _MONTHS:
        months.insert(0, (months[0] - timedelta(days=1)).replace(day=1))
    return months


def _trend(months: Sequence[date], days: Sequence[ReconciledCharge], invoices: Sequence[Any]) -> list[MonthOfCarrier]:
    """Charged, at risk and invoiced by month and currency; an invoice counts in the month of its first day."""
    charged: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    at_risk: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    invoiced: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for day in days:
        key = (day.business_date.replace(day=1), day.currency)
        charged[key] += day.charged
        at_risk[key] += day.exposure
    for item in invoices:
        for line in item.lines:
            if line.kind != "tax":
                invoiced[item.first_date.replace(day=1), line.currency] += line.amount
    units = sorted({unit for _, unit in {**charged, **invoiced}})
    return [
        MonthOfCarrier(month, unit, charged.get((month, unit)), at_risk.get((month, unit)), invoiced.get((month, unit)))
        for unit in units
        for month in months
    ]


def _path(request: PeriodRequest, ctx: RunContext) -> Path:
    account = safe_name(request.account_id) if request.account_id else "all"
    carrier = safe_name(request.carrier)
    first, last = request.first_date, request.last_date
    is_month = first.day == 1 and last == (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    period = f"{first:%Y-%m}" if is_month else f"{first}_{last}"
    folder = request.folder or ctx.settings.reconciliation_dir / account / carrier
    return folder / f"invoices_{carrier}_{period}.html"


def _currency_json(item: CurrencyComparison) -> dict[str, Any]:
    parts, claimed = item.parts, item.claimed
    return {
        "currency": item.currency,
        "invoiced": str(item.invoiced) if item.has_invoice else None,
        "tax": str(item.tax),
        "charged": str(parts.charged),
        "agreed": str(parts.agreed),
        "accepted": str(parts.accepted),
        "other_charges": str(parts.other_charges),
        "disputed": str(claimed.disputed),
        "credited": str(claimed.credited),
        "credit_notes": str(item.credit_notes),
        "credit_due": str(item.credit_due),
        "undecided": str(claimed.undecided),
        "unpriced": str(claimed.unpriced),
        "not_compared": str(claimed.not_compared),
        "charged_too_little": str(parts.too_little),
        "not_charged_yet": str(parts.not_charged),
        "invoiced_too_much": str(item.invoiced_too_much),
        "invoiced_too_little": str(item.invoiced_too_little),
        "payable": str(item.payable),
        "withheld": str(item.withheld),
        "late": {"records": item.late_records, "charged": str(item.late_charged)},
        "in_later_files": {"records": item.later_records, "charged": str(item.later_charged)},
        "destinations": [_row_json(row) for row in item.rows],
        "details": [_row_json(row) for row in item.details],
    }


def _row_json(row: ComparedRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "invoiced": None if row.invoiced is None else str(row.invoiced),
        "invoiced_calls": row.invoiced_calls,
        "charged": str(row.charged),
        "records": row.records,
        "agreed": str(row.agreed),
        "legs": row.legs,
        "invoiced_too_much": str(row.too_much),
        "invoiced_too_little": str(row.too_little),
        "disputed": str(row.parts.disputed),
        "undecided": str(row.parts.undecided),
        "unpriced": str(row.parts.unpriced),
        "not_charged_yet": str(row.parts.not_charged),
        "margin": None if row.margin is None else str(row.margin),
    }
