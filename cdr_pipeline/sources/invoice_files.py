"""Carriers' invoices as CSV files.

The header names the columns, in any order: ``amount``, which is required, and, where the invoice states them,
``destination``, ``kind`` (usage, credit, fee or tax), ``rate`` (price of a minute), ``day`` (YYYY-MM-DD), ``direction``
(outbound or inbound), ``calls``, ``minutes`` and ``currency``. A line without a kind is a credit if its amount is
negative, otherwise usage. Nothing of a file with an invalid line is used.
"""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, TypeVar

from cdr_pipeline.core.reconcile.invoices.invoice import KINDS, InvoiceLine, LineKind
from cdr_pipeline.errors import InvalidInvoice
from cdr_pipeline.sources.written_tables import WrittenTable

COLUMNS: Final = ("amount", "destination", "kind", "rate", "day", "direction", "calls", "minutes", "currency")
DIRECTIONS: Final = ("outbound", "inbound")
_TABLE: Final = WrittenTable(
    "invoice",
    COLUMNS,
    ("amount",),
    InvalidInvoice,
    too_large="an invoice has totals by destination; import the carrier's calls with 'cdr-pipeline import'",
)
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_SMALLEST: Final = Decimal("0.00000001")
_LARGEST: Final = Decimal(10) ** 15
_LONGEST_NAME: Final = 200
_MOST_DIGITS: Final = 15
_MONEY: Final = "an amount with a decimal point and at most 8 decimals, such as -12.3456"
_KINDS: Final[dict[str, LineKind]] = {kind: kind for kind in KINDS}
_Value = TypeVar("_Value")


def read_invoice_lines(path: Path, *, currency: str, last_date: date) -> tuple[InvoiceLine, ...]:
    """Reads the lines of an invoice.

    Args:
        path: CSV file in UTF-8.
        currency: currency of lines that name none; "" if every line must.
        last_date: last day of the billing period; no line may be of a later day.

    Raises:
        InvalidInvoice: the file cannot be read, has no lines, or a value is invalid. The message names file, line and
            column, and the hint what is allowed.
    """
    lines = tuple(_line(path, number, cells, currency, last_date) for number, cells in _TABLE.lines(path))
    if not lines:
        raise InvalidInvoice(
            f"invoice {path.name} has no lines", hint="add a line per destination, or one line with the total"
        )
    return lines


def checked_amount(text: str) -> Decimal:
    """An amount of an invoice. Raises ValueError if it is not a number that the warehouse can hold exactly."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError(_MONEY) from None
    if not amount.is_finite() or abs(amount) >= _LARGEST or amount % _SMALLEST:
        raise ValueError(_MONEY)
    return amount


def checked_currency(text: str) -> str:
    """An ISO 4217 code in capitals. Raises ValueError if the text is none."""
    code = text.strip().upper()
    if not _CURRENCY.fullmatch(code):
        raise ValueError("a currency code of three letters, such as EUR")
    return code


def _line(path: Path, number: int, cells: dict[str, str], currency: str, last_date: date) -> InvoiceLine:
    def value(column: str, convert: Callable[[str], _Value], default: _Value, allowed: str) -> _Value:
        text = cells.get(column, "")
        try:
            return convert(text) if text else default
        except (ValueError, KeyError, InvalidOperation):
            raise InvalidInvoice(
                f"invoice {path.name}, line {number}, column {column}: not a valid value; nothing was stored",
                hint=f"write {allowed}",
            ) from None

    if not cells["amount"]:
        raise InvalidInvoice(
            f"invoice {path.name}, line {number}, column amount: empty; nothing was stored", hint=f"write {_MONEY}"
        )
    amount = value("amount", checked_amount, Decimal(0), _MONEY)
    unit = value("currency", checked_currency, currency, "a currency code of three letters, such as EUR")
    if not unit:
        raise InvalidInvoice(
            f"invoice {path.name}, line {number}, column currency: no currency; nothing was stored",
            hint="add a column currency, or give --currency EUR",
        )
    day = value("day", date.fromisoformat, None, "a day, YYYY-MM-DD")
    if day is not None and day > last_date:
        raise InvalidInvoice(
            f"invoice {path.name}, line {number}, column day: after the end of the billing period; nothing was stored",
            hint=f"write a day up to {last_date}, or state the period with --from and --to",
        )
    unstated: LineKind = "credit" if amount < 0 else "usage"
    kind: LineKind = value("kind", _kind, unstated, f"one of {', '.join(KINDS)}")
    if kind == "credit" and amount > 0:
        raise InvalidInvoice(
            f"invoice {path.name}, line {number}, column amount: a credit is above 0; nothing was stored",
            hint="write credits as negative amounts, such as -12.50",
        )
    return InvoiceLine(
        line_no=number,
        kind=kind,
        destination=value("destination", _name, "", f"a name of at most {_LONGEST_NAME} characters"),
        rate=value("rate", _positive, None, "the price of a minute, such as 0.0125"),
        day=day,
        direction=value("direction", _direction, "", " or ".join(DIRECTIONS)),
        calls=value("calls", _count, None, "a whole number"),
        minutes=value("minutes", _positive, None, "minutes with a decimal point, such as 120.5"),
        amount=amount,
        currency=unit,
    )


def _kind(text: str) -> LineKind:
    return _KINDS[text.lower()]


def _direction(text: str) -> str:
    if text.lower() not in DIRECTIONS:
        raise ValueError(text)
    return text.lower()


def _name(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > _LONGEST_NAME or "\x00" in name:
        raise ValueError(text)
    return name


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise ValueError(text)
    return int(text)


def _positive(text: str) -> Decimal:
    amount = checked_amount(text)
    if amount < 0:
        raise ValueError(text)
    return amount
