"""Billing increments, rate cards by destination prefix, and exact prices of calls."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

# Money inside the matcher: integers in units of 1e-8 of the currency, the last decimal of numeric(18,8).
UNITS: Final = 100_000_000
_PLACES: Final = 8
_SECONDS_A_MINUTE: Final = 60
_MILLISECONDS: Final = 1_000
_PIECE: Final = 1_000_000
MINUTES_A_DAY: Final = 1_440
Integers = npt.NDArray[np.int64]
RoundingMode = Literal["half_up", "up", "down"]


@dataclass(frozen=True, slots=True)
class Increment:
    """Billing steps ``first/next`` in seconds: 60/6 bills a full first minute, then steps of six seconds."""

    first_seconds: int = 1
    next_seconds: int = 1


@dataclass(frozen=True, slots=True)
class Rate:
    """Price of one destination.

    Attributes:
        prefix: leading digits of its numbers (E.164, without ``+``); the longest matching prefix applies.
        destination: name of the destination in totals.
        per_minute: price of sixty billed seconds.
        increment: billing steps.
        setup_fee: fee added to every answered call.
        currency: currency of both prices, ISO 4217; "" for the default one.
        valid_from, valid_to: first and last day of the price in the zone of the card; None for no limit.
        weekdays: days of the week on which the price applies, Monday is 1; all when empty.
        from_minute, to_minute: minutes of the day between which it applies, half-open; a period over midnight ends at
            a smaller minute than it begins.
    """

    prefix: str
    destination: str
    per_minute: Decimal
    increment: Increment = field(default_factory=Increment)
    setup_fee: Decimal = Decimal(0)
    currency: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    weekdays: tuple[int, ...] = ()
    from_minute: int = 0
    to_minute: int = MINUTES_A_DAY

    @property
    def is_timed(self) -> bool:
        """Whether the price applies at some hours or days of the week only."""
        return bool(self.weekdays) or (self.from_minute, self.to_minute) != (0, MINUTES_A_DAY)

    def applies_on(self, day: date) -> bool:
        """Whether the price is valid on a day."""
        return (self.valid_from or date.min) <= day <= (self.valid_to or date.max)

    def applies_at(self, weekday: int, minute: int) -> bool:
        """Whether the price applies at a minute of a day of the week."""
        if self.weekdays and weekday not in self.weekdays:
            return False
        if self.from_minute < self.to_minute:
            return self.from_minute <= minute < self.to_minute
        return minute >= self.from_minute or minute < self.to_minute


@dataclass(frozen=True, slots=True)
class RateCard:
    """Prices of a carrier. Each call is rounded by itself, never their sum.

    A call has the price that is valid when it starts. If several lines for a prefix are valid then, a line with hours
    or days of the week precedes one without, and a line that became valid later precedes an earlier one.

    Attributes:
        rates: prices; one or more per prefix.
        places: decimals that the price of a call is rounded to.
        rounding: direction of rounding.
        zone: IANA zone of the days and hours.
    """

    rates: tuple[Rate, ...]
    places: int = _PLACES
    rounding: RoundingMode = "half_up"
    zone: str = "UTC"


def billed_seconds(duration_ms: Integers, first: Integers | int, following: Integers | int) -> Integers:
    """Billed seconds of an answered length: max(n1, n1 + ceil((d - n1) / n2) * n2), and 0 for 0."""
    beyond = np.maximum(duration_ms - np.asarray(first, np.int64) * _MILLISECONDS, 0)
    steps = -(-beyond // (np.asarray(following, np.int64) * _MILLISECONDS))
    return np.where(duration_ms > 0, first + steps * following, 0)


def price(seconds: Integers, per_minute: Integers, fee: Integers, places: int, rounding: RoundingMode) -> Integers:
    """Price of billed seconds in units of 1e-8, rounded per call; 0 for 0 seconds.

    Args:
        seconds: billed seconds.
        per_minute: price of sixty seconds, units of 1e-8.
        fee: setup fee, units of 1e-8.
        places: decimals of the result.
        rounding: direction of rounding.
    """
    scale = 10 ** (_PLACES - places)
    numerator = seconds * per_minute + fee * _SECONDS_A_MINUTE
    divisor = _SECONDS_A_MINUTE * scale
    rounding_term = {"half_up": divisor // 2, "up": divisor - 1, "down": 0}[rounding]
    return np.where(seconds > 0, (numerator + rounding_term) // divisor * scale, 0)


def units(amount: Decimal) -> int:
    """An amount in units of 1e-8."""
    return int(amount.scaleb(_PLACES).to_integral_exact())


def as_decimal(amounts: pl.Series, places: int = _PLACES) -> pl.Series:
    """Integers in units of ``10 ** -places`` as a Decimal column."""
    exact = pl.Decimal(38, places)
    unit = pl.Series([Decimal(1).scaleb(-places)], dtype=exact)
    # Piece by piece: a decimal takes 16 bytes, and so does each intermediate result.
    pieces = [amounts.slice(start, _PIECE) for start in range(0, max(len(amounts), 1), _PIECE)]
    return pl.concat([piece.cast(pl.Decimal(38, 0)).cast(exact) * unit for piece in pieces])


def rate_rows(numbers: pl.Series, rates: Sequence[Rate]) -> Integers:
    """Index of the rate of each number by the longest prefix, -1 if no prefix matches.

    Args:
        numbers: E.164 or digits; a leading ``+`` is ignored.
        rates: one rate per prefix.
    """
    by_prefix = {rate.prefix.removeprefix("+"): index for index, rate in enumerate(rates)}
    lengths = sorted({len(prefix) for prefix in by_prefix}, reverse=True)
    digits = numbers.str.strip_prefix("+")
    rate_index = pl.Series(np.full(len(numbers), -1, np.int64))
    for length in lengths:
        of_length = {prefix: index for prefix, index in by_prefix.items() if len(prefix) == length}
        candidate = digits.str.head(length).replace_strict(of_length, default=-1, return_dtype=pl.Int64)
        rate_index = rate_index.zip_with(rate_index >= 0, candidate.fill_null(-1))
    return rate_index.to_numpy()
