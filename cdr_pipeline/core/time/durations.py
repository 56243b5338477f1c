"""Converts numbers of seconds to durations. Both normalizers use this rule."""

from typing import Final

import polars as pl

_MICROSECONDS: Final = 1_000_000


def duration_of(seconds: pl.Expr) -> pl.Expr:
    """Duration of a decimal number of seconds.

    The result is exact: seconds have three decimals since they were parsed, and a duration has six. Nothing is rounded
    here, and no float is involved.

    Args:
        seconds: decimal expression.
    """
    return pl.duration(microseconds=(seconds * _MICROSECONDS).cast(pl.Int64))
