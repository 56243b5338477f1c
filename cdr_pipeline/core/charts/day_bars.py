"""Geometry of the bar charts on a reconciliation page; the template draws them."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

DAYS: Final = 28
_WIDTH: Final = 560
_HEIGHT: Final = 96
_GAP: Final = 4
_LEAST: Final = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """Bar of one day: position in pixels and value; the value is None if the day was not reconciled."""

    day: date
    x: int
    y: int
    width: int
    height: int
    value: Decimal | None
    red: bool
    shown_day: bool


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart in a box of ``width`` by ``height``; the baseline is its lower edge."""

    width: int
    height: int
    bars: list[Bar]
    largest: Decimal
    first_day: date
    last_day: date


def bars_of(last_day: date, values: Mapping[date, Decimal], red: AbstractSet[date]) -> Bars:
    """Bars of the four weeks that end with a day.

    Args:
        last_day: day of the page.
        values: values by day, at least 0; days may be missing.
        red: days with a red light.
    """
    first = last_day - timedelta(days=DAYS - 1)
    shown = {day: value for day, value in values.items() if first <= day <= last_day}
    largest = max(shown.values(), default=Decimal(0))
    step = _WIDTH // DAYS
    bars: list[Bar] = []
    for number in range(DAYS):
        day = first + timedelta(days=number)
        value = shown.get(day)
        height = max(round(value / largest * _HEIGHT), _LEAST) if value else 0
        bars.append(Bar(day, number * step, _HEIGHT - height, step - _GAP, height, value, day in red, day == last_day))
    return Bars(step * DAYS - _GAP, _HEIGHT, bars, largest, first, last_day)
