"""Rate cards of carriers: CSV files in the folder of the import profiles.

The header names the columns, in any order: ``prefix`` (digits), ``rate`` (price of a minute) and, where they apply,
``destination``, ``minimum`` and ``increment`` (seconds), ``fee`` (of every answered call), ``currency``, ``valid_from``
and ``valid_to`` (YYYY-MM-DD, both included), ``days`` (of the week, such as ``mon-fri`` or ``sat,sun``), ``time_from``
and ``time_to`` (HH:MM, half-open). A call has the price that is valid when it starts. If several lines for a prefix are
valid then, a line with days or times precedes one without, and the one with the latest ``valid_from`` applies.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, TypeVar

from cdr_pipeline.core.reconcile.inputs.rates import MINUTES_A_DAY, Increment, Rate, RateCard, RoundingMode
from cdr_pipeline.errors import InvalidRateCard
from cdr_pipeline.sources.written_tables import WrittenLine, WrittenTable

_NEEDED: Final = ("prefix", "rate")
_TIMES: Final = ("days", "time_from", "time_to")
_COLUMNS: Final = (
    *_NEEDED, "destination", "minimum", "increment", "fee", "currency", "valid_from", "valid_to", *_TIMES,
)  # fmt: skip
_TABLE: Final = WrittenTable(
    "rate card",
    _COLUMNS,
    _NEEDED,
    InvalidRateCard,
    too_large="a rate card has one line per prefix; split cards of several carriers",
    absent="put the file into the folder of the profiles",
    most_bytes=200_000_000,
)
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
# The last decimal of money in the warehouse.
_SMALLEST: Final = Decimal("0.00000001")
_Value = TypeVar("_Value")


def read_rate_card(
    path: Path,
    business_date: date | None = None,
    *,
    steps: Increment,
    currency: str,
    places: int,
    rounding: RoundingMode,
    zone: str = "UTC",
) -> RateCard:
    """Reads a rate card.

    Args:
        path: CSV file in UTF-8.
        business_date: day whose prices apply to every call; None to give each call the price of its own time.
        steps: billing increment of lines without ``minimum`` and ``increment``.
        currency: currency of lines without one.
        places: number of decimals of a call's price.
        rounding: how prices are rounded to ``places`` decimals.
        zone: IANA zone of days and times.

    Raises:
        InvalidRateCard: the file cannot be read or has no lines, a column is missing or unknown, a value is invalid, or
            two lines state different prices of a prefix for the same time. The message names file, line and column.
    """
    rates: list[Rate] = []
    seen: dict[tuple[object, ...], int] = {}
    for line in _TABLE.lines(path):
        rate = _rate(path, line, steps, currency)
        key = (rate.prefix, rate.valid_from, rate.weekdays, rate.from_minute, rate.to_minute)
        if key in seen:
            raise InvalidRateCard(
                f"rate card {path.name}, lines {seen[key]} and {line.number}: prefix {rate.prefix} has two prices for"
                " the same days",
                hint="delete one of the lines, or give them different days with valid_from and valid_to",
            )
        seen[key] = line.number
        rates.append(rate)
    if not rates:
        raise InvalidRateCard(
            f"rate card {path.name} has no lines",
            hint="without prices no charge can be verified; add a line per prefix",
        )
    if business_date is not None:
        rates = _of_day(rates, business_date)
    return RateCard(tuple(rates), places, rounding, zone)


def _of_day(rates: list[Rate], day: date) -> list[Rate]:
    """The prices of a day without their limits; of several for a prefix, the one that became valid last."""
    chosen: dict[tuple[object, ...], Rate] = {}
    for rate in sorted(rates, key=lambda item: item.valid_from or date.min):
        if rate.applies_on(day):
            chosen[rate.prefix, rate.weekdays, rate.from_minute, rate.to_minute] = rate
    return [replace(rate, valid_from=None, valid_to=None) for rate in chosen.values()]


def _rate(path: Path, line: WrittenLine, steps: Increment, currency: str) -> Rate:
    def value(column: str, convert: Callable[[str], _Value], default: _Value, expected: str) -> _Value:
        text = line.cells.get(column, "")
        try:
            return convert(text) if text else default
        except (ValueError, InvalidOperation):
            raise InvalidRateCard(
                f"rate card {path.name}, line {line.number}, column {column}: expected {expected}",
                hint="correct the value; the documentation page 'Matching' lists the columns",
            ) from None

    for column in _NEEDED:
        if not line.cells[column]:
            raise InvalidRateCard(f"rate card {path.name}, line {line.number}, column {column}: empty")
    prefix = value("prefix", _prefix, "", "digits")
    increment = value("increment", _seconds, 0, "whole seconds, at least 1")
    following = increment or steps.next_seconds
    money = "a price of 0 or more with at most 8 decimals, such as 0.0125"
    begins = value("valid_from", date.fromisoformat, None, "a day, YYYY-MM-DD")
    ends = value("valid_to", date.fromisoformat, None, "a day, YYYY-MM-DD")
    if begins and ends and ends < begins:
        raise InvalidRateCard(f"rate card {path.name}, line {line.number}, column valid_to: before valid_from")
    return Rate(
        prefix=prefix,
        destination=line.cells.get("destination") or prefix,
        per_minute=value("rate", _price, Decimal(0), money),
        increment=Increment(
            value("minimum", _seconds, following if increment else steps.first_seconds, "whole seconds, at least 1"),
            following,
        ),
        setup_fee=value("fee", _price, Decimal(0), money),
        currency=line.cells.get("currency", "").upper() or currency,
        valid_from=begins,
        valid_to=ends,
        weekdays=value("days", _weekdays, (), "days of the week, such as mon-fri or sat,sun"),
        from_minute=value("time_from", _minute, 0, "a time, HH:MM"),
        to_minute=value("time_to", _minute, MINUTES_A_DAY, "a time, HH:MM") or MINUTES_A_DAY,
    )


def _prefix(text: str) -> str:
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError(text)
    return digits


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ValueError(text)
    return int(text)


def _price(text: str) -> Decimal:
    price = Decimal(text)
    if not price.is_finite() or price < 0 or price % _SMALLEST:
        raise ValueError(text)
    return price


def _minute(text: str) -> int:
    parts = _CLOCK.fullmatch(text)
    minute = int(parts[1]) * 60 + int(parts[2]) if parts else MINUTES_A_DAY + 1
    if minute > MINUTES_A_DAY:
        raise ValueError(text)
    return minute


def _weekdays(text: str) -> tuple[int, ...]:
    days: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        begin, end = _WEEKDAYS.index(first[:3]), _WEEKDAYS.index((last or first)[:3])
        days |= {(begin + step) % len(_WEEKDAYS) + 1 for step in range((end - begin) % len(_WEEKDAYS) + 1)}
    return tuple(sorted(days))
