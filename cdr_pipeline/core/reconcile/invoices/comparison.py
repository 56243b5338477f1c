"""A carrier's invoices compared with the sum of its records, our legs at the agreed prices, and decisions.

Amounts are exact and by currency. What is invoiced too much at one destination never cancels what is invoiced too
little at another.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from cdr_pipeline.core.reconcile.classify.classes import MatchClass
from cdr_pipeline.core.reconcile.invoices.charges import Charge, ChargeParts, parts_of, with_billed_days
from cdr_pipeline.core.reconcile.invoices.invoice import Invoice, InvoiceLine

Dimension = Literal["rate", "day", "direction"]
_DIMENSIONS: Final[tuple[Dimension, ...]] = ("rate", "day", "direction")
ALL: Final = "All destinations"
FEES: Final = "Fees and other charges"
EARLIER: Final = "Calls of earlier periods"
_UNKNOWN: Final = "unknown"
_PUNCTUATION: Final = re.compile(r"[\W_]+")
_NONE: Final = Decimal(0)
# Parts that are not payable, in the order in which they are left out if an invoice does not claim them.
_WITHHELD: Final = ("not_compared", "unpriced", "undecided", "credited", "disputed")


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One line of the comparison: a destination, or everything of an invoice that states one total.

    Attributes:
        name: destination, with rate, day or direction if the invoice states them.
        invoiced: amount on the invoice; None if the invoice states no amount for it.
        invoiced_calls, invoiced_minutes: as stated on the invoice; None if a line does not state them.
        charged: sum of the carrier's records, without credits.
        records, record_seconds: number and billed length of these records.
        agreed: our legs at the agreed prices.
        legs, leg_seconds: number and length of our legs.
        priced_legs: number of our legs with an agreed price.
        parts: what is agreed, disputed and so on of what its records charge.
        margin: what customers pay minus what the carrier charges, for calls with both; None without customers' prices.
        customer_price: what customers pay for these calls.
    """

    name: str
    invoiced: Decimal | None
    invoiced_calls: int | None
    invoiced_minutes: Decimal | None
    charged: Decimal
    records: int
    record_seconds: Decimal
    agreed: Decimal
    legs: int
    leg_seconds: Decimal
    priced_legs: int
    parts: ChargeParts
    margin: Decimal | None
    customer_price: Decimal

    @property
    def difference(self) -> Decimal:
        """Invoiced minus charged; 0 if the invoice states no amount for it."""
        return _NONE if self.invoiced is None else self.invoiced - self.charged

    @property
    def too_much(self) -> Decimal:
        """What the invoice has more than the records."""
        return max(self.difference, _NONE)

    @property
    def too_little(self) -> Decimal:
        """What the records have more than the invoice."""
        return max(-self.difference, _NONE)


@dataclass(frozen=True, slots=True)
class CurrencyComparison:
    """Comparison in one currency.

    Attributes:
        currency: ISO 4217 code of all amounts.
        has_invoice: whether an invoice has amounts in this currency.
        invoiced: amount of the invoices without tax.
        tax: taxes on the invoices; not compared.
        parts: what is agreed, disputed and so on of what the records charge.
        claimed: the same without disputed, undecided and unverified charges that the invoices do not claim.
        rows: comparison by destination, the largest difference first.
        details: comparison by destination and what else the invoice states; empty if it states no more.
        invoiced_too_much: what the invoices have more than the records, row by row.
        invoiced_too_little: what the records have more than the invoices, row by row.
        credit_lines: credits on the invoices, as a positive amount.
        credits_settled: credits on the invoices that settle breaks decided as credited.
        late_records, late_charged: calls of earlier periods that count in this one, because the carrier had moved on.
        later_records, later_charged: calls of this period that count in a later one.
    """

    currency: str
    has_invoice: bool
    invoiced: Decimal
    tax: Decimal
    parts: ChargeParts
    claimed: ChargeParts
    rows: tuple[ComparedRow, ...]
    details: tuple[ComparedRow, ...]
    invoiced_too_much: Decimal
    invoiced_too_little: Decimal
    credit_lines: Decimal
    credits_settled: Decimal
    late_records: int
    late_charged: Decimal
    later_records: int
    later_charged: Decimal

    @property
    def credit_due(self) -> Decimal:
        """What was decided as credited and is on no invoice as a credit."""
        return self.claimed.credited - self.credits_settled

    @property
    def payable(self) -> Decimal:
        """What we owe: agreed and accepted charges and other charges, as far as an invoice claims them."""
        not_claimed = self.parts.charged - self.claimed.charged
        return self.parts.owed - (self.invoiced_too_little - not_claimed)

    @property
    def withheld(self) -> Decimal:
        """What the invoices, or without invoices the records, claim beyond what is payable."""
        parts = self.claimed
        open_parts = parts.disputed + self.credit_due + parts.undecided + parts.unpriced + parts.not_compared
        return open_parts + self.invoiced_too_much


@dataclass(frozen=True, slots=True)
class InvoiceComparison:
    """Invoices of a carrier's period, compared.

    Attributes:
        first_date, last_date: period in the carrier's zone, both days included.
        invoices: the invoices of the period.
        overlapping: invoices that cover only a part of the period or more than it; they are not compared.
        currencies: comparison by currency, the largest charge first.
        findings: most important results as text.
    """

    first_date: date
    last_date: date
    invoices: tuple[Invoice, ...]
    overlapping: tuple[Invoice, ...]
    currencies: tuple[CurrencyComparison, ...]
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Period:
    first: date
    last: date

    def has(self, day: date) -> bool:
        return self.first <= day <= self.last


def compare_invoices(
    invoices: Sequence[Invoice],
    charges: Sequence[Charge],
    *,
    first_date: date,
    last_date: date,
    customers_pay: bool,
) -> InvoiceComparison:
    """Compares the invoices of a period with what was charged in it.

    Args:
        invoices: newest versions of the carrier's invoices, of any period.
        charges: charges of the period and of some weeks around it.
        first_date: first day of the period, in the carrier's zone.
        last_date: last day of the period.
        customers_pay: whether the switch's prices are what customers pay.
    """
    period = _Period(first_date, last_date)
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
    compared = [
        _in_currency(unit, lines[unit], counted[unit], later[unit], period, customers_pay=customers_pay)
        for unit in sorted({*lines, *counted, *later})
    ]
    compared = [item for item in compared if item.has_invoice or item.parts != ChargeParts() or item.later_records]
    compared.sort(key=lambda item: (-max(item.invoiced, item.parts.charged), item.currency))
    return InvoiceComparison(
        first_date,
        last_date,
        tuple(inside),
        tuple(overlapping),
        tuple(compared),
        tuple(_findings(compared, inside, overlapping)),
    )


def _in_currency(
    currency: str,
    lines: Sequence[InvoiceLine],
    charges: Sequence[Charge],
    later: Sequence[Charge],
    period: _Period,
    *,
    customers_pay: bool,
) -> CurrencyComparison:
    usage = [line for line in lines if line.kind == "usage"]
    credit_lines = -sum((line.amount for line in lines if line.kind == "credit"), _NONE)
    by_total = bool(usage) and not all(line.destination for line in usage)
    # A single total contains the credits; separate lines of credits are compared with the records' credits.
    net = by_total and not any(line.kind == "credit" for line in lines)
    rows = _rows(lines, charges, period, by_total=by_total, net=net, customers_pay=customers_pay)
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
    late = [charge for charge in charges if charge.day < period.first]
    return CurrencyComparison(
        currency=currency,
        has_invoice=bool(lines),
        invoiced=sum((line.amount for line in lines if line.kind != "tax"), _NONE),
        tax=sum((line.amount for line in lines if line.kind == "tax"), _NONE),
        parts=parts,
        claimed=claimed,
        rows=tuple(rows),
        details=tuple(_details(usage, charges, period, by_total=by_total, customers_pay=customers_pay)),
        invoiced_too_much=too_much,
        invoiced_too_little=too_little,
        credit_lines=credit_lines,
        credits_settled=settled,
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


def _rows(
    lines: Sequence[InvoiceLine],
    charges: Sequence[Charge],
    period: _Period,
    *,
    by_total: bool,
    net: bool,
    customers_pay: bool,
) -> list[ComparedRow]:
    compared = [line for line in lines if line.kind in {"usage", "fee"}]
    states_fees = any(line.kind == "fee" for line in lines)
    states_earlier = any(line.day is not None and line.day < period.first for line in compared)
    named = _names(compared)

    def of_line(line: InvoiceLine) -> str:
        if line.kind == "fee":
            return FEES
        if line.day is not None and line.day < period.first:
            return EARLIER
        return ALL if by_total else named[_key(line.destination)]

    def of_charge(charge: Charge) -> str:
        if charge.match_class == MatchClass.OTHER_CHARGE.value and (states_fees or not by_total):
            return FEES
        if states_earlier and charge.day < period.first:
            return EARLIER
        return ALL if by_total else _destination(charge, named)

    rows = _grouped(compared, charges, of_line, of_charge, invoiced=bool(lines), net=net, customers_pay=customers_pay)
    return sorted(rows, key=lambda row: (-abs(row.difference), -row.charged, row.name))


def _details(
    usage: Sequence[InvoiceLine],
    charges: Sequence[Charge],
    period: _Period,
    *,
    by_total: bool,
    customers_pay: bool,
) -> list[ComparedRow]:
    """Rows by destination and what every line states of rate, day and direction."""
    stated = [name for name in _DIMENSIONS if usage and all(getattr(line, name) not in (None, "") for line in usage)]
    in_period = [line for line in usage if line.day is None or period.has(line.day)]
    if not stated:
        return []
    named = _names(in_period)

    def of_line(line: InvoiceLine) -> Hashable:
        name = ALL if by_total else named[_key(line.destination)]
        return name, *(_value(getattr(line, dimension)) for dimension in stated)

    def of_charge(charge: Charge) -> Hashable:
        name = ALL if by_total else _destination(charge, named)
        return name, *(_value(getattr(charge, dimension)) for dimension in stated)

    compared = [
        charge
        for charge in charges
        if charge.records and charge.match_class != MatchClass.OTHER_CHARGE.value and period.has(charge.day)
    ]
    rows = _grouped(in_period, compared, of_line, of_charge, invoiced=True, net=False, customers_pay=customers_pay)
    return sorted(rows, key=lambda row: (-abs(row.difference), row.name))


def _grouped(
    lines: Sequence[InvoiceLine],
    charges: Sequence[Charge],
    of_line: Callable[[InvoiceLine], Hashable],
    of_charge: Callable[[Charge], Hashable],
    *,
    invoiced: bool,
    net: bool,
    customers_pay: bool,
) -> list[ComparedRow]:
    """One row per key. Net amounts contain the records' credits."""
    lines_of: dict[Hashable, list[InvoiceLine]] = defaultdict(list)
    charges_of: dict[Hashable, list[Charge]] = defaultdict(list)
    for line in lines:
        lines_of[of_line(line)].append(line)
    for charge in charges:
        charges_of[of_charge(charge)].append(charge)
    return [
        _row(key, lines_of[key], charges_of[key], invoiced=invoiced, net=net, customers_pay=customers_pay)
        for key in {**lines_of, **charges_of}
    ]


def _row(
    key: Hashable,
    lines: Sequence[InvoiceLine],
    charges: Sequence[Charge],
    *,
    invoiced: bool,
    net: bool,
    customers_pay: bool,
) -> ComparedRow:
    calls = [line.calls for line in lines if line.calls is not None]
    minutes = [line.minutes for line in lines if line.minutes is not None]
    customer_price = sum((charge.customer_price for charge in charges), _NONE) if customers_pay else _NONE
    cost = sum((charge.cost_of_priced for charge in charges), _NONE)
    credits_in = sum((charge.credits for charge in charges), _NONE)
    charged = sum((charge.charged for charge in charges), _NONE)
    return ComparedRow(
        name=key if isinstance(key, str) else ", ".join(str(part) for part in _parts(key) if part != ""),
        invoiced=sum((line.amount for line in lines), _NONE) if invoiced else None,
        invoiced_calls=sum(calls) if lines and len(calls) == len(lines) else None,
        invoiced_minutes=sum(minutes, _NONE) if lines and len(minutes) == len(lines) else None,
        charged=charged if net else charged + credits_in,
        records=sum(charge.records for charge in charges),
        record_seconds=sum((charge.record_seconds for charge in charges), _NONE),
        agreed=sum((charge.agreed for charge in charges), _NONE),
        legs=sum(charge.legs for charge in charges),
        leg_seconds=sum((charge.leg_seconds for charge in charges), _NONE),
        priced_legs=sum(charge.priced_legs for charge in charges),
        parts=parts_of(charges),
        margin=customer_price - cost if customer_price else None,
        customer_price=customer_price,
    )


def _parts(key: Hashable) -> tuple[object, ...]:
    return key if isinstance(key, tuple) else (key,)


def _value(value: Decimal | date | str | None) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "" if value is None else str(value)


def _key(name: str) -> str:
    """A destination's name without case, spaces and punctuation; the sign of a prefix stays."""
    return ("+" if name.startswith("+") else "") + _PUNCTUATION.sub("", name).casefold()


def _names(lines: Sequence[InvoiceLine]) -> dict[str, str]:
    names: dict[str, str] = {}
    for line in lines:
        if line.destination:
            names.setdefault(_key(line.destination), line.destination)
    return names


def _destination(charge: Charge, named: dict[str, str]) -> str:
    """Name of a charge's destination: as on the invoice if it has our name or the carrier's, otherwise ours."""
    for name in (charge.destination, charge.carrier_destination):
        if name and _key(name) in named:
            return named[_key(name)]
    return charge.destination or charge.carrier_destination or _UNKNOWN


def _findings(
    compared: Sequence[CurrencyComparison], inside: Sequence[Invoice], overlapping: Sequence[Invoice]
) -> list[str]:
    findings: list[str] = []
    if not inside:
        findings.append("no invoice of this period was entered; what is payable follows from the carrier's records")
    findings += [
        f"invoice {item.number} covers {item.first_date} to {item.last_date} and is not compared here"
        for item in overlapping
    ]
    for number, item in enumerate(inside):
        for other in inside[number + 1 :]:
            both_use = all(any(line.kind == "usage" for line in invoice.lines) for invoice in (item, other))
            is_one_account = item.account_id == other.account_id
            if (
                both_use
                and is_one_account
                and max(item.first_date, other.first_date) <= min(item.last_date, other.last_date)
            ):
                findings.append(f"invoices {item.number} and {other.number} both bill calls of the same days")
    for item in compared:
        if inside and not item.has_invoice:
            findings.append(f"charged in {item.currency} and on no invoice: {item.parts.charged:.4f} {item.currency}")
        findings += _findings_in(item)
    return findings


def _findings_in(item: CurrencyComparison) -> list[str]:
    unit, parts = item.currency, item.claimed
    findings: list[str] = []
    unknown = [row.name for row in item.rows if row.invoiced and not row.records and not row.legs]
    if unknown:
        findings.append(
            f"{len(unknown)} destination(s) of the invoice are in no record: {', '.join(unknown[:5])}; if the names"
            " differ, use the names of the rate card"
        )
    if item.invoiced_too_much:
        findings.append(f"invoiced beyond the records: {item.invoiced_too_much:.4f} {unit}")
    if item.invoiced_too_little:
        withheld = parts.disputed + parts.undecided
        findings.append(
            f"in the records and not invoiced: {item.invoiced_too_little:.4f} {unit}"
            + (f"; the invoice may leave out some of the {withheld:.4f} {unit} in dispute" if withheld else "")
        )
    if item.late_records:
        findings.append(
            f"billed late: {item.late_records} calls of earlier periods, {item.late_charged:.4f} {unit}, count here"
        )
    if item.later_records:
        findings.append(
            f"{item.later_records} calls of this period, {item.later_charged:.4f} {unit}, came with later files and"
            " count in a later period"
        )
    if parts.unpriced:
        findings.append(f"without an agreed price: {parts.unpriced:.4f} {unit}")
    if parts.not_charged:
        findings.append(f"not charged yet: {parts.not_charged:.4f} {unit} by the agreed prices")
    return findings
