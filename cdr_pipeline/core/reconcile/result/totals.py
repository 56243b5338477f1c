"""Totals by destination, class, side and currency, and the proof that they are all that came in."""

import numpy as np
import polars as pl

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags
from cdr_pipeline.core.reconcile.inputs.rates import as_decimal
from cdr_pipeline.core.reconcile.result.reconciled import TOTAL_SCHEMA
from cdr_pipeline.errors import UnbalancedReconciliation

# What a total is of, in the order of the totals.
TOTAL_KEY = ("destination", "class", "side", "currency")


def totals_of(rows: pl.DataFrame) -> pl.DataFrame:
    """``TOTAL_SCHEMA`` of rows in ``ROW_SCHEMA``; a row without destination counts under ""."""
    return (
        rows.lazy()
        .group_by(pl.col("destination").fill_null(""), "class", "side", "currency")
        .agg(pl.len().alias("rows"), pl.col("seconds", "billed_seconds", "amount", "exposure").sum())
        .select(pl.col(name).cast(dtype) for name, dtype in TOTAL_SCHEMA.items())
        .sort(TOTAL_KEY)
        .collect()
    )


def require_balance(totals: pl.DataFrame, calls: Calls, counted: Flags) -> None:
    """Adds up the totals of a side and what came in, independently.

    Args:
        totals: ``TOTAL_SCHEMA``.
        calls: what came in.
        counted: rows that the totals are about.

    Raises:
        UnbalancedReconciliation: rows, seconds or money differ.
    """
    whole = [int(counted.sum()), int(calls.duration_ms[counted].sum()), _exact_sum(calls, counted)]
    came_in = (
        pl.Series([whole[0]]),
        as_decimal(pl.Series([whole[1]]), 3),
        as_decimal(pl.Series([whole[2]], dtype=pl.Int128)),
    )
    of_side = totals.filter(pl.col("side") == calls.name)
    for name, there in zip(("rows", "seconds", "amount"), came_in, strict=True):
        if (of_side[name].sum() or 0) != there.item():
            raise UnbalancedReconciliation(
                f"{name} of the {calls.name} side by class are {of_side[name].sum()}, but {there.item()} came in",
                hint="this is a fault of the program; nothing was recorded",
            )


def _exact_sum(calls: Calls, counted: Flags) -> int:
    """Sum of units of 1e-8; in halves, because ten million large amounts leave the range of 64 bits."""
    amounts = calls.amount[counted]
    return (int((amounts >> 32).sum()) << 32) + int((amounts & np.int64(0xFFFFFFFF)).sum())
