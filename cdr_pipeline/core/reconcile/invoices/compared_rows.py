"""Rows of the comparison of an invoice: by destination, and by what else the invoice states."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from cdr_pipeline.core.reconcile.classify.classes import MatchClass
from cdr_pipeline.core.reconcile.invoices.charges import Charge, ChargeParts, parts_of
from cdr_pipeline.core.reconcile.invoices.invoice import InvoiceLine

Dimension = Literal["rate", "day", "direction"]
_DIMENSIONS: Final[tuple[Dimension, ...]] = ("rate", "day", "direction")
ALL: Final = "All destinations"
FEES: Final = "Fees and other charges"
EARLIER: Final = "Calls of earlier periods"
_UNKNOWN: Final = "unknown"
_PUNCTUATION: Final = re.compile(r"[\W_]+")
_NONE: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Period:
    """A billing period, both days included."""

    first: date
    last: date

    def has(self, day: date) -> bool:
        """Whether a day is in the period."""
        return self.first <= day <= self.last


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


def compared_rows(
    lines: Sequence[InvoiceLine],
    charges: Sequence[Charge],
    period: Period,
    *,
    by_total: bool,
    net: bool,
    customers_pay: bool,
) -> list[ComparedRow]:
    """Rows by destination, the largest difference first.

    Args:
        lines: lines of the invoices in one currency.
        charges: charges that count in the period, in the same currency.
        period: the billing period.
        by_total: whether the invoice states one total.
        net: whether the total contains the credits.
        customers_pay: whether the switch's prices are what customers pay.
    """
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


def detailed_rows(
    usage: Sequence[InvoiceLine],
    charges: Sequence[Charge],
    period: Period,
    *,
    by_total: bool,
    customers_pay: bool,
) -> list[ComparedRow]:
    """Rows by destination and what every line states of rate, day and direction; none if lines state no more.

    Args:
        usage: lines of usage in one currency.
        charges: charges that count in the period, in the same currency.
        period: the billing period.
        by_total: whether the invoice states one total.
        customers_pay: whether the switch's prices are what customers pay.
    """
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
