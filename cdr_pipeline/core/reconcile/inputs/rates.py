"""What a carrier may charge: increments, and a rate card by destination prefix."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

# Money inside the matcher: whole numbers of 1e-8 of the currency, the last decimal of numeric(18,8).
UNITS: Final = 100_000_000
_PLACES: Final = 8
_SECONDS_A_MINUTE: Final = 60
_MILLISECONDS: Final = 1_000
_PIECE: Final = 1_000_000
Integers = npt.NDArray[np.int64]
RoundingMode = Literal["half_up", "up", "down"]


@dataclass(frozen=True, slots=True)
class Increment:
    """Billing steps ``first/next`` in seconds: 60/6 bills the first minute whole, then steps of six seconds."""

    first_seconds: int = 1
    next_seconds: int = 1


@dataclass(frozen=True, slots=True)
class Rate:
    """Price of one destination.

    Attributes:
        prefix: digits (E.164, without ``+``) that its numbers begin with; the longest that fits decides.
        destination: its name in totals.
        per_minute: price of sixty billed seconds.
        increment: billing steps.
        setup_fee: added to every answered call.
        currency: ISO 4217; of both prices.
    """

    prefix: str
    destination: str
    per_minute: Decimal
    increment: Increment = field(default_factory=Increment)
    setup_fee: Decimal = Decimal(0)
    currency: str = ""


@dataclass(frozen=True, slots=True)
class RateCard:
    """A carrier's prices. Each call is rounded on its own, never their sum.

    Attributes:
        rates: one a prefix.
        places: decimals that the price of a call is rounded to.
        rounding: how.
    """

    rates: tuple[Rate, ...]
    places: int = _PLACES
    rounding: RoundingMode = "half_up"


def billed_seconds(duration_ms: Integers, first: Integers | int, following: Integers | int) -> Integers:
    """Seconds that are charged for an answered length: max(n1, n1 + ceil((d - n1) / n2) * n2), and 0 for 0."""
    beyond = np.maximum(duration_ms - np.asarray(first, np.int64) * _MILLISECONDS, 0)
    steps = -(-beyond // (np.asarray(following, np.int64) * _MILLISECONDS))
    return np.where(duration_ms > 0, first + steps * following, 0)


def price(seconds: Integers, per_minute: Integers, fee: Integers, places: int, rounding: RoundingMode) -> Integers:
    """Price of billed seconds in units of 1e-8, rounded per call; 0 for 0 seconds.

    Args:
        seconds: billed seconds.
        per_minute: units of 1e-8.
        fee: units of 1e-8.
        places: decimals kept.
        rounding: of what is beyond them.
    """
    scale = 10 ** (_PLACES - places)
    whole = seconds * per_minute + fee * _SECONDS_A_MINUTE
    divisor = _SECONDS_A_MINUTE * scale
    added = {"half_up": divisor // 2, "up": divisor - 1, "down": 0}[rounding]
    return np.where(seconds > 0, (whole + added) // divisor * scale, 0)


def units(amount: Decimal) -> int:
    """Whole units of 1e-8."""
    return int(amount.scaleb(_PLACES).to_integral_exact())


def as_decimal(amounts: pl.Series, places: int = _PLACES) -> pl.Series:
    """Whole units to a Decimal column of so many places."""
    exact = pl.Decimal(38, places)
    unit = pl.Series([Decimal(1).scaleb(-places)], dtype=exact)
    # Piece by piece: a decimal has 16 bytes, and so has each step on the way to it.
    pieces = [amounts.slice(start, _PIECE) for start in range(0, max(len(amounts), 1), _PIECE)]
    return pl.concat([piece.cast(pl.Decimal(38, 0)).cast(exact) * unit for piece in pieces])


def rate_rows(numbers: pl.Series, rates: Sequence[Rate]) -> Integers:
    """Index of the rate of each number by the longest prefix, -1 where none fits.

    Args:
        numbers: E.164 or digits; a leading ``+`` counts as nothing.
        rates: one a prefix.
    """
    by_prefix = {rate.prefix.removeprefix("+"): index for index, rate in enumerate(rates)}
    lengths = sorted({len(prefix) for prefix in by_prefix}, reverse=True)
    digits = numbers.str.strip_prefix("+")
    found = pl.Series(np.full(len(numbers), -1, np.int64))
    for length in lengths:
        of_length = {prefix: index for prefix, index in by_prefix.items() if len(prefix) == length}
        candidate = digits.str.head(length).replace_strict(of_length, default=-1, return_dtype=pl.Int64)
        found = found.zip_with(found >= 0, candidate.fill_null(-1))
    return found.to_numpy()
