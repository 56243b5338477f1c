"""A carrier's invoice as entered: its period, its lines, and the hash by which equal invoices are recognised."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

LineKind = Literal["usage", "credit", "fee", "tax"]
KINDS: Final[tuple[LineKind, ...]] = ("usage", "credit", "fee", "tax")
_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One amount of an invoice. Values that the invoice does not state are None, or "" for texts.

    Attributes:
        line_no: line in the file, or 1 for a total that was typed in.
        kind: usage; credit; fee (a charge without calls); tax, which is not compared.
        destination: the carrier's name of the destination; "" for a total over destinations.
        rate: price of a minute.
        day: day of the calls in the carrier's zone; before the invoice's period for calls that are billed late.
        direction: ``outbound`` or ``inbound``; "" for both.
        calls: number of calls.
        minutes: billed minutes.
        amount: amount in ``currency``; negative for a credit.
        currency: ISO 4217 code.
    """

    line_no: int
    kind: LineKind
    destination: str
    rate: Decimal | None
    day: date | None
    direction: str
    calls: int | None
    minutes: Decimal | None
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Invoice:
    """One version of an invoice. A correction is a new version; earlier versions stay.

    Attributes:
        account_id: account that owns the carrier's calls, or the root of the accounts that do.
        carrier: name of the carrier, as in the reconciliations.
        number: the carrier's number of the invoice.
        first_date, last_date: billing period in ``time_zone``, both days included.
        time_zone: IANA zone of the period and of the lines' days.
        issued_on: date on the invoice, if known.
        lines: its amounts.
        file_name: name of the file that it was read from; "" if it was typed in.
        reason: why this version was entered.
        entered_by: person who entered it.
        version: 1 for the first version; 0 before it is stored.
        entered_at: when it was stored; None before.
    """

    account_id: str
    carrier: str
    number: str
    first_date: date
    last_date: date
    time_zone: str
    issued_on: date | None
    lines: tuple[InvoiceLine, ...]
    file_name: str
    reason: str
    entered_by: str
    version: int = 0
    entered_at: datetime | None = None

    @property
    def content_hash(self) -> str:
        """Hash of everything that the invoice states; not of how and by whom it was entered."""
        stated = [self.first_date, self.last_date, self.time_zone, self.issued_on or ""]
        texts = [_SEPARATOR.join(map(str, stated)), *sorted(_text(line) for line in self.lines)]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    def totals(self) -> dict[str, Decimal]:
        """Amounts of all lines by currency, taxes included."""
        return sums_by_currency(self.lines)


def sums_by_currency(lines: Sequence[InvoiceLine]) -> dict[str, Decimal]:
    """Amounts of lines by currency, in the order of the currencies' codes."""
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line.currency] = sums.get(line.currency, Decimal(0)) + line.amount
    return dict(sorted(sums.items()))


def _text(line: InvoiceLine) -> str:
    values = (
        line.kind, line.destination, _plain(line.rate), line.day or "", line.direction, line.calls,
        _plain(line.minutes), _plain(line.amount), line.currency,
    )  # fmt: skip
    return _SEPARATOR.join("" if value is None else str(value) for value in values)


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"
