"""Converts Kazoo's timestamps to instants in UTC.

Kazoo writes Gregorian seconds (seconds since year 0). White-label versions of Kazoo write Unix seconds or Unix
microseconds, as integers or as text. The magnitude tells them apart: no plausible call time of one epoch is in the
range of another.
"""

from datetime import UTC, datetime
from typing import Final

import polars as pl

GREGORIAN_UNIX_OFFSET: Final = 62_167_219_200

# Plausible call times, 1990 to 2150, in Unix seconds.
_EARLIEST: Final = 631_152_000
_LATEST: Final = 5_680_281_600


def to_gregorian(moment: datetime) -> int:
    """Whole Gregorian seconds of an aware datetime, rounded down (Kazoo's ``created_from``)."""
    return int(moment.timestamp() // 1) + GREGORIAN_UNIX_OFFSET


def from_gregorian(seconds: int) -> datetime:
    """The UTC datetime of Gregorian seconds."""
    return datetime.fromtimestamp(seconds - GREGORIAN_UNIX_OFFSET, tz=UTC)


def instant_of(ticks: pl.Expr) -> pl.Expr:
    """Instants of integers that count Gregorian seconds, Unix seconds or Unix microseconds.

    Args:
        ticks: Int64 expression.

    Returns:
        ``Datetime("us", "UTC")``; null when the number is in no known epoch (reason ``time_epoch``).
    """
    microseconds = (
        pl.when(ticks.is_between(_EARLIEST + GREGORIAN_UNIX_OFFSET, _LATEST + GREGORIAN_UNIX_OFFSET))
        .then((ticks - GREGORIAN_UNIX_OFFSET) * 1_000_000)
        .when(ticks.is_between(_EARLIEST, _LATEST))
        .then(ticks * 1_000_000)
        .when(ticks.is_between(_EARLIEST * 1_000_000, _LATEST * 1_000_000))
        .then(ticks)
    )
    return pl.from_epoch(microseconds, time_unit="us").cast(pl.Datetime("us", "UTC"))
