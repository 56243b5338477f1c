"""``cdr-pipeline invoices``: what carriers invoice, and what of it is owed."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cdr_pipeline.cli.dates import parse_day

if TYPE_CHECKING:
    from cdr_pipeline.core.reconcile.invoices.comparison import CurrencyComparison
    from cdr_pipeline.core.reconcile.invoices.invoice import Invoice

invoices_app = typer.Typer(help="Invoices of carriers: enter, list, show, compare.", no_args_is_help=True)
_MONTH = typer.Option("--month", formats=["%Y-%m"], help="Billing period: a month, YYYY-MM.")
_FROM = typer.Option("--from", parser=parse_day, metavar="DAY", help="First day of the billing period.")
_TO = typer.Option("--to", parser=parse_day, metavar="DAY", help="Last day of the billing period.")
_SHOWN = 15


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
        str | None, typer.Option(help="Account whose calls it bills; may be left out if there is one root account.")
    ] = None,
    total: Annotated[str | None, typer.Option(help="Total amount, instead of a file.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the total, or of lines that name none.")] = "",
    time_zone: Annotated[
        str | None, typer.Option(help="IANA time zone of the period; default: that of the carrier's profile.")
    ] = None,
    issued: Annotated[
        datetime | None, typer.Option(parser=parse_day, metavar="DAY", help="Date on the invoice.")
    ] = None,
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
def list_all(
    *,
    carrier: Annotated[str | None, typer.Option(help="Only this carrier.")] = None,
    account: Annotated[list[str] | None, typer.Option(help="Only this account; repeat for several.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the newest versions of all invoices, by period."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.steps.invoices.invoices import list_invoices

    with run_context("reading") as ctx:
        listed = list_invoices(ctx, accounts=account, carrier=carrier)
    if as_json:
        _print_json([_plain(item) for item in listed])
        return
    listing = table(
        "Invoices", "carrier", "number", "period", "account", "total", "lines", "version", "entered by",
        numbers=frozenset({"total", "lines", "version"}),
    )  # fmt: skip
    for item in listed:
        listing.add_row(
            item.carrier,
            item.number,
            f"{item.first_date} to {item.last_date}",
            item.account_id,
            _totals(item),
            str(len(item.lines)),
            str(item.version),
            item.entered_by,
        )
    out.print(listing)
    if not listed:
        out.print("no invoice is stored; enter one with 'cdr-pipeline invoices add'")


@invoices_app.command("show")
def show(
    number: Annotated[str, typer.Argument(help="Number of the invoice.")],
    *,
    carrier: Annotated[str | None, typer.Option(help="Carrier, if several have an invoice of that number.")] = None,
    account: Annotated[str | None, typer.Option(help="Account, if several have an invoice of that number.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with every version.")] = False,
) -> None:
    """Show the lines of an invoice and the history of its versions."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.steps.invoices.invoices import show_invoice

    with run_context("reading") as ctx:
        versions = show_invoice(number, ctx, carrier=carrier, accounts=[account] if account else None)
    if as_json:
        _print_json([_plain(item, with_lines=True) for item in versions])
        return
    newest = versions[-1]
    out.print(
        f"invoice {newest.number} of {newest.carrier}, account {newest.account_id}, {newest.first_date} to"
        f" {newest.last_date} ({newest.time_zone}), {_totals(newest)}",
        soft_wrap=True,
        markup=False,
    )
    names = ("line", "kind", "destination", "rate", "day", "direction", "calls", "minutes", "amount")
    listing = table("Lines", *names, numbers=frozenset({"line", "rate", "calls", "minutes", "amount"}))
    for line in newest.lines:
        values = (line.rate, line.day, line.direction, line.calls, line.minutes)
        listing.add_row(
            str(line.line_no),
            line.kind,
            line.destination or "all",
            *(_text(value) for value in values),
            f"{_text(line.amount)} {line.currency}",
        )
    out.print(listing)
    history = table("Versions", "version", "entered", "by", "total", "reason", numbers=frozenset({"version", "total"}))
    for item in versions:
        entered = f"{item.entered_at:%Y-%m-%d %H:%M} UTC" if item.entered_at else ""
        history.add_row(str(item.version), entered, item.entered_by, _totals(item), item.reason)
    out.print(history)


@invoices_app.command("compare")
def compare(
    *,
    carrier: Annotated[str | None, typer.Option(help="Carrier whose period is compared.")] = None,
    month: Annotated[datetime | None, _MONTH] = None,
    first: Annotated[datetime | None, _FROM] = None,
    last: Annotated[datetime | None, _TO] = None,
    number: Annotated[str | None, typer.Option(help="Number of an invoice, instead of carrier and period.")] = None,
    account: Annotated[
        str | None, typer.Option(help="Only this account and those below it; default: all accounts.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder of the page; default: that of the reconciliations.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; amounts are text.")] = False,
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
    if as_json:
        _print_json(compared.as_json())
        return
    for item in compared.comparison.currencies:
        _print_currency(item)
    if not compared.comparison.currencies:
        out.print("nothing was charged or invoiced in this period")
    for finding in compared.comparison.findings:
        out.print(f"  {finding}", markup=False, soft_wrap=True)
    if compared.missing_days:
        days = f"{compared.missing_days[0]} to {compared.missing_days[-1]}"
        out.print(f"  {len(compared.missing_days)} day(s) of the period were not reconciled, {days}", markup=False)
    if compared.red_days:
        out.print(f"  {len(compared.red_days)} day(s) of the period are red or provisional", markup=False)
    out.print(f"page: {compared.page}", soft_wrap=True, markup=False)


def _print_currency(item: "CurrencyComparison") -> None:
    from cdr_pipeline.cli.terminal import out, table

    parts = item.claimed
    listing = table(f"What we owe, {item.currency}", "part", "amount", numbers=frozenset({"amount"}))
    amounts = (
        ("invoiced", item.invoiced if item.has_invoice else None),
        ("charged by its records", item.parts.charged),
        ("payable", item.payable),
        ("disputed", parts.disputed),
        ("credited, credit due", item.credit_due),
        ("to decide", parts.undecided),
        ("unpriced", parts.unpriced),
        ("not compared", parts.not_compared),
        ("invoiced beyond the records", item.invoiced_too_much),
        ("in the records, not invoiced", item.invoiced_too_little),
        ("not charged yet", parts.not_charged),
    )
    for name, value in amounts:
        listing.add_row(name, "none" if value is None else f"{value:,.4f}")
    out.print(listing)
    numbers = frozenset({"invoiced", "its records", "our legs, agreed", "too much", "too little"})
    names = ("destination", "invoiced", "its records", "our legs, agreed", "too much", "too little")
    rows = table("By destination", *names, numbers=numbers)
    for row in item.rows[:_SHOWN]:
        rows.add_row(
            row.name,
            "" if row.invoiced is None else f"{row.invoiced:,.4f}",
            f"{row.charged:,.4f}",
            f"{row.agreed:,.4f}" if row.priced_legs else "",
            f"{row.too_much:,.4f}" if row.too_much else "",
            f"{row.too_little:,.4f}" if row.too_little else "",
        )
    out.print(rows)
    if len(item.rows) > _SHOWN:
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


def _text(value: object) -> str:
    from decimal import Decimal

    if value is None:
        return ""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _plain(invoice: "Invoice", *, with_lines: bool = False) -> dict[str, object]:
    from dataclasses import asdict

    plain: dict[str, object] = {name: value for name, value in asdict(invoice).items() if name != "lines" or with_lines}
    return plain | {"totals": {unit: str(amount) for unit, amount in invoice.totals().items()}}


def _print_json(content: object) -> None:
    import json

    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))
