"""``cdr-pipeline invoices``: what carriers invoice, and what of it is owed."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts, several
from cdr_pipeline.cli.dates import day_option, parse_any_day, parse_month
from cdr_pipeline.cli.listings import Cell, Listing, listing
from cdr_pipeline.cli.reports import add_content, is_json, reports, show
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from cdr_pipeline.core.reconcile.invoices.currency_comparison import CurrencyComparison
    from cdr_pipeline.core.reconcile.invoices.invoice import Invoice, InvoiceLine

invoices_app = typer.Typer(help="Invoices of carriers: enter, list, show, compare.", no_args_is_help=True)
_MONTH = typer.Option("--month", parser=parse_month, metavar="MONTH", help="Billing period: YYYY-MM or -N.")
_FROM = day_option("First day of the billing period", "--from", parser=parse_any_day)
_TO = day_option("Last day of the billing period", "--to", parser=parse_any_day)
_SHOWN = 15
_INVOICES: Final = listing(
    "invoices", "Invoices", "carrier", "number", "first_date", "last_date", "time_zone", "account", "totals", "lines",
    "version", "entered_by", "entered_at", "reason", numbers=("totals", "lines", "version"), sentences=("reason",),
    titles={"first_date": "from", "last_date": "to", "totals": "total", "entered_at": "entered (UTC)"},
)  # fmt: skip
_LINES: Final = listing(
    "lines", "Lines", "line", "kind", "destination", "rate", "day", "direction", "calls", "minutes", "amount",
    "currency", "version", numbers=("line", "rate", "calls", "minutes", "amount"), titles={"version": ""},
)  # fmt: skip
# A document of its own form: per currency what is owed and why, with days and findings.
_COMPARISON: Final = Listing("comparison", "Comparison", ())


@invoices_app.command("add")
def add(
    file: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="CSV file with the lines: amount and, where stated, destination, kind, rate, day, direction, calls,"
            " minutes, currency.",
        ),
    ] = None,
    *,
    carrier: Annotated[str, typer.Option(help="Carrier, as in the reconciliations.")],
    number: Annotated[str, typer.Option(help="The carrier's number of the invoice.")],
    by: Annotated[str, typer.Option(help="Person who enters it; stored with the invoice.")],
    month: Annotated[datetime | None, _MONTH] = None,
    first: Annotated[datetime | None, _FROM] = None,
    last: Annotated[datetime | None, _TO] = None,
    account: Annotated[
        str | None,
        several("Account whose calls it bills, by name or id; may be left out if there is one root account."),
    ] = None,
    total: Annotated[str | None, typer.Option(help="Total amount, instead of a file.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the total, or of lines that name none.")] = "",
    time_zone: Annotated[
        str | None, typer.Option(help="IANA time zone of the period; default: that of the carrier's profile.")
    ] = None,
    issued: Annotated[datetime | None, day_option("Date on the invoice", "--issued", parser=parse_any_day)] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Store a correction as a new version.")] = False,
    reason: Annotated[str, typer.Option(help="Reason for a correction; stored with it.")] = "",
) -> None:
    """Store an invoice: a file with totals by destination, or one total. Stores all of it or nothing.

    An equal invoice is not stored again. Another invoice of the same number is refused unless --replace and --reason
    are given; earlier versions stay.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.invoices.invoices import InvoiceEntry, add_invoice

    begins, ends = _period(month, first, last)
    entry = InvoiceEntry(
        carrier=carrier,
        number=number,
        first_date=begins,
        last_date=ends,
        entered_by=by,
        account_id=account,
        path=file,
        total=total,
        currency=currency,
        time_zone=time_zone,
        issued_on=issued.date() if issued else None,
        reason=reason,
        replace=replace,
    )
    with run_context("entering") as ctx:
        entered = add_invoice(entry, ctx)
    invoice = entered.invoice
    state = f"stored as version {invoice.version}" if entered.is_new else "is stored already, nothing was written"
    out.print(
        f"invoice {invoice.number} of {invoice.carrier}, {invoice.first_date} to {invoice.last_date}"
        f" ({invoice.time_zone}), {_totals(invoice)}: {state}",
        soft_wrap=True,
        markup=False,
    )
    out.print(f"Compare it:  cdr-pipeline invoices compare --number {invoice.number}", soft_wrap=True, markup=False)


@invoices_app.command("list")
@reports(_INVOICES)
def list_all(
    *,
    carrier: Annotated[str | None, typer.Option(help="Only this carrier.")] = None,
    account: Accounts = None,
) -> None:
    """List the newest versions of all invoices, by period."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.invoices.invoices import list_invoices

    with run_context("reading") as ctx:
        listed = list_invoices(ctx, accounts=account, carrier=carrier)
    show(_INVOICES, map(_row, listed), ctx)
    if not listed:
        out.print("no invoice is stored; enter one with 'cdr-pipeline invoices add'")


@invoices_app.command("show")
@reports(_INVOICES, _LINES)
def show_one(
    number: Annotated[str, typer.Argument(help="Number of the invoice.")],
    *,
    carrier: Annotated[str | None, typer.Option(help="Carrier, if several have an invoice of that number.")] = None,
    account: Annotated[str | None, several("Account, if several have an invoice of that number.")] = None,
) -> None:
    """Show the lines of an invoice and the history of its versions."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.steps.invoices.invoices import show_invoice

    with run_context("reading") as ctx:
        versions = show_invoice(number, ctx, carrier=carrier, accounts=[account] if account else None)
    for item in versions if is_json() else versions[-1:]:
        show(_LINES, (_line(line, item) for line in item.lines))
    show(_INVOICES, map(_row, versions), ctx)


def _row(item: "Invoice") -> tuple[object, ...]:
    return (
        item.carrier,
        item.number,
        item.first_date,
        item.last_date,
        item.time_zone,
        item.account_id,
        Cell(item.totals(), _totals(item)),
        len(item.lines),
        item.version,
        item.entered_by,
        item.entered_at,
        item.reason or None,
    )


def _line(line: "InvoiceLine", item: "Invoice") -> tuple[object, ...]:
    return (
        line.line_no,
        line.kind,
        Cell(line.destination, line.destination or "all"),
        line.rate,
        line.day,
        line.direction,
        line.calls,
        line.minutes,
        line.amount,
        line.currency,
        Cell(item.version, ""),
    )


@invoices_app.command("compare")
@reports(_COMPARISON)
def compare(
    *,
    carrier: Annotated[str | None, typer.Option(help="Carrier whose period is compared.")] = None,
    month: Annotated[datetime | None, _MONTH] = None,
    first: Annotated[datetime | None, _FROM] = None,
    last: Annotated[datetime | None, _TO] = None,
    number: Annotated[str | None, typer.Option(help="Number of an invoice, instead of carrier and period.")] = None,
    account: Annotated[
        str | None, several("Only this account, by name or id, and those below it; default: all accounts.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder of the page; default: that of the reconciliations.")
    ] = None,
) -> None:
    """Compare invoices with the carrier's records, our legs and decisions: what do we owe for this period?

    Works without an invoice too: then what is payable follows from the carrier's records.
    """
    from dataclasses import replace

    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.steps.invoices.compare_invoices import PeriodRequest, compare_period, period_of_invoice

    if number is None and carrier is None:
        raise ConfigurationError(
            "give a carrier and a period, or the number of an invoice",
            hint="cdr-pipeline invoices compare --carrier NAME --month 2026-10",
        )
    with run_context("comparing") as ctx:
        if number is not None:
            request = period_of_invoice(number, ctx, carrier=carrier, account_id=account)
        else:
            begins, ends = _period(month, first, last)
            request = PeriodRequest(carrier or "", begins, ends, account)
        compared = compare_period(replace(request, folder=folder.absolute() if folder else None), ctx)
    add_content(_COMPARISON.key, compared.as_json())
    for item in compared.comparison.currencies:
        _print_currency(item)
    if not compared.comparison.currencies:
        out.print("nothing was charged or invoiced in this period")
    for finding in compared.comparison.findings:
        out.print(f"  {finding}", markup=False, soft_wrap=True)
    if compared.missing_days:
        days = f"{compared.missing_days[0]} to {compared.missing_days[-1]}"
        missing = count_of(len(compared.missing_days), "day")
        out.print(f"  {missing} of the period without a reconciliation, {days}", markup=False)
    if compared.red_days:
        out.print(f"  {count_of(len(compared.red_days), 'day')} of the period red or provisional", markup=False)
    out.print(f"page: {compared.page}", soft_wrap=True, markup=False)


def _print_currency(item: "CurrencyComparison") -> None:
    if is_json():
        return
    parts = item.claimed
    amounts = (
        ("invoiced", item.invoiced if item.has_invoice else None),
        ("charged by its records", item.parts.charged),
        ("payable", item.payable),
        ("disputed", parts.disputed),
        ("credited by credit notes", item.credit_notes),
        ("credited, credit due", item.credit_due),
        ("to decide", parts.undecided),
        ("unpriced", parts.unpriced),
        ("not compared", parts.not_compared),
        ("invoiced beyond the records", item.invoiced_too_much),
        ("in the records, not invoiced", item.invoiced_too_little),
        ("not charged yet", parts.not_charged),
    )
    owed = listing("owed", f"What we owe, {item.currency}", "part", "amount", numbers=("amount",))
    show(owed, ((name, "none" if value is None else f"{value:,.4f}") for name, value in amounts))
    numbers = ("invoiced", "its_records", "our_legs_agreed", "too_much", "too_little")
    show(
        listing("destinations", "By destination", "destination", *numbers, numbers=numbers),
        (
            (
                row.name,
                "" if row.invoiced is None else f"{row.invoiced:,.4f}",
                f"{row.charged:,.4f}",
                f"{row.agreed:,.4f}" if row.priced_legs else "",
                f"{row.too_much:,.4f}" if row.too_much else "",
                f"{row.too_little:,.4f}" if row.too_little else "",
            )
            for row in item.rows[:_SHOWN]
        ),
    )
    if len(item.rows) > _SHOWN:
        from cdr_pipeline.cli.terminal import out

        out.print(f"{_SHOWN} of {len(item.rows)} destinations shown; the page and --json have all")


def _period(month: datetime | None, first: datetime | None, last: datetime | None) -> tuple[date, date]:
    from cdr_pipeline.cli.dates import require_order
    from cdr_pipeline.errors import ConfigurationError

    if month is not None and first is None and last is None:
        begins = month.date()
        return begins, (begins + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    if month is None and first is not None and last is not None:
        require_order(first, last)
        return first.date(), last.date()
    raise ConfigurationError(
        "the billing period is missing", hint="give --month 2026-10, or --from 2026-10-01 --to 2026-10-31"
    )


def _totals(invoice: "Invoice") -> str:
    return ", ".join(f"{amount.normalize():f} {unit}" for unit, amount in invoice.totals().items())
