"""A carrier's invoices compared with the sum of its records, our legs at the agreed prices, and decisions.

Amounts are exact and by currency. What is invoiced too much at one destination never cancels what is invoiced too
little at another.
"""

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final

from cdr_pipeline.core.reconcile.invoices.charges import Charge, ChargeParts, parts_of, with_billed_days
from cdr_pipeline.core.reconcile.invoices.compared_rows import ComparedRow, Period, compared_rows, detailed_rows
from cdr_pipeline.core.reconcile.invoices.currency_comparison import CurrencyComparison
from cdr_pipeline.core.reconcile.invoices.invoice import Invoice, InvoiceLine
from cdr_pipeline.core.reconcile.invoices.later_changes import ChangeSinceInvoice, ReceivedCredit
from cdr_pipeline.core.reconcile.invoices.period_findings import period_findings

_NONE: Final = Decimal(0)
# Parts that are not payable, in the order in which they are left out if an invoice does not claim them.
_WITHHELD: Final = ("not_compared", "unpriced", "undecided", "credited", "disputed")


@dataclass(frozen=True, slots=True)
class InvoiceComparison:
    """Invoices of a carrier's period, compared.

    Attributes:
        first_date, last_date: period in the carrier's zone, both days included.
        invoices: the invoices of the period.
        overlapping: invoices that cover only a part of the period or more than it; they are not compared.
        currencies: comparison by currency, the largest charge first.
        findings: most important results as text.
        credit_notes: credit notes of the carrier that close breaks of the period, or that are not used up.
        changes: what changed after the newest invoice, by kind.
    """

    first_date: date
    last_date: date
    invoices: tuple[Invoice, ...]
    overlapping: tuple[Invoice, ...]
    currencies: tuple[CurrencyComparison, ...]
    findings: tuple[str, ...]
    credit_notes: tuple[ReceivedCredit, ...] = ()
    changes: tuple[ChangeSinceInvoice, ...] = ()


def compare_invoices(
    invoices: Sequence[Invoice],
    charges: Sequence[Charge],
    *,
    first_date: date,
    last_date: date,
    customers_pay: bool,
    credit_notes: Sequence[ReceivedCredit] = (),
    changes: Sequence[ChangeSinceInvoice] = (),
) -> InvoiceComparison:
    """Compares the invoices of a period with what was charged in it.

    Args:
        invoices: newest versions of the carrier's invoices, of any period.
        charges: charges of the period and of some weeks around it.
        first_date: first day of the period, in the carrier's zone.
        last_date: last day of the period.
        customers_pay: whether the switch's prices are what customers pay.
        credit_notes: all credit notes of the carrier.
        changes: what came after the newest invoice of the period.
    """
    period = Period(first_date, last_date)
    inside = [item for item in invoices if period.has(item.first_date) and period.has(item.last_date)]
    overlapping = [
        item
        for item in invoices
        if item not in inside and item.first_date <= last_date and item.last_date >= first_date
    ]
    lines: dict[str, list[InvoiceLine]] = defaultdict(list)
    for invoice in inside:
        for line in invoice.lines:
            lines[line.currency].append(line)
    counted: dict[str, list[Charge]] = defaultdict(list)
    later: dict[str, list[Charge]] = defaultdict(list)
    for charge, billed_day in with_billed_days(charges):
        if period.has(billed_day):
            counted[charge.currency].append(charge)
        elif period.has(charge.day):
            later[charge.currency].append(charge)
    # A credit note that was entered as an invoice is one of its lines.
    numbers = {(item.account_id, item.number) for item in invoices}
    compared = [
        _in_currency(
            unit, lines[unit], counted[unit], later[unit], period, numbers=numbers, customers_pay=customers_pay
        )
        for unit in sorted({*lines, *counted, *later})
    ]
    compared = [item for item in compared if item.has_invoice or item.parts != ChargeParts() or item.later_records]
    compared.sort(key=lambda item: (-max(item.invoiced, item.parts.charged), item.currency))
    used_here = {(charge.account_id, charge.credit_note) for of_unit in counted.values() for charge in of_unit}
    listed = tuple(note for note in credit_notes if (note.account_id, note.number) in used_here or note.unused)
    return InvoiceComparison(
        first_date,
        last_date,
        tuple(inside),
        tuple(overlapping),
        tuple(compared),
        tuple(period_findings(compared, inside, overlapping, changes, listed)),
        listed,
        tuple(changes),
    )


def _in_currency(
    currency: str,
    lines: Sequence[InvoiceLine],
    charges: Sequence[Charge],
    later: Sequence[Charge],
    period: Period,
    *,
    numbers: AbstractSet[tuple[str, str]],
    customers_pay: bool,
) -> CurrencyComparison:
    usage = [line for line in lines if line.kind == "usage"]
    credit_lines = -sum((line.amount for line in lines if line.kind == "credit"), _NONE)
    by_total = bool(usage) and not all(line.destination for line in usage)
    # A single total contains the credits; separate lines of credits are compared with the records' credits.
    net = by_total and not any(line.kind == "credit" for line in lines)
    rows = compared_rows(lines, charges, period, by_total=by_total, net=net, customers_pay=customers_pay)
    recorded = _NONE if net else sum((charge.credits for charge in charges), _NONE)
    parts = parts_of(charges)
    claimed = _claimed(parts, rows)
    too_much = sum((row.too_much for row in rows), _NONE)
    too_little = sum((row.too_little for row in rows), _NONE)
    settled = _NONE
    if lines:
        beyond = max(credit_lines - recorded, _NONE)
        settled = min(beyond, claimed.credited)
        too_much += max(recorded - credit_lines, _NONE)
        too_little += beyond - settled
    noted = sum(
        (
            max(charge.too_much, _NONE)
            for charge in charges
            if charge.state == "credited"
            and charge.credit_note
            and (charge.account_id, charge.credit_note) not in numbers
        ),
        _NONE,
    )
    late = [charge for charge in charges if charge.day < period.first]
    return CurrencyComparison(
        currency=currency,
        has_invoice=bool(lines),
        invoiced=sum((line.amount for line in lines if line.kind != "tax"), _NONE),
        tax=sum((line.amount for line in lines if line.kind == "tax"), _NONE),
        parts=parts,
        claimed=claimed,
        rows=tuple(rows),
        details=tuple(detailed_rows(usage, charges, period, by_total=by_total, customers_pay=customers_pay)),
        invoiced_too_much=too_much,
        invoiced_too_little=too_little,
        credit_lines=credit_lines,
        credits_settled=settled,
        credit_notes=min(noted, claimed.credited - settled),
        late_records=sum(charge.records for charge in late),
        late_charged=sum((charge.charged for charge in late), _NONE),
        later_records=sum(charge.records for charge in later),
        later_charged=sum((charge.charged for charge in later), _NONE),
    )


def _claimed(parts: ChargeParts, rows: Sequence[ComparedRow]) -> ChargeParts:
    """Parts without what is withheld of charges that are not invoiced: an invoice that lacks them claims nothing."""
    kept = {name: getattr(parts, name) for name in _WITHHELD}
    for row in rows:
        if row.invoiced is None:
            continue
        most = max(min(row.invoiced, row.charged), _NONE)
        beyond = max(sum((getattr(row.parts, name) for name in _WITHHELD), _NONE) - most, _NONE)
        for name in _WITHHELD:
            cut = min(max(getattr(row.parts, name), _NONE), beyond)
            kept[name] -= cut
            beyond -= cut
    return replace(parts, **kept)
