"""Totals by destination, class, side and currency, and the check that they equal those of the input."""

import numpy as np
import polars as pl

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags
from cdr_pipeline.core.reconcile.inputs.rates import as_decimal
from cdr_pipeline.core.reconcile.result.reconciled import TOTAL_SCHEMA
from cdr_pipeline.errors import UnbalancedReconciliation

# Key of a total; totals are sorted by it.
TOTAL_KEY = ("destination", "class", "side", "currency")


def totals_of(rows: pl.DataFrame) -> pl.DataFrame:
    """``TOTAL_SCHEMA`` of rows in ``ROW_SCHEMA``; rows without destination count under ""."""
    return (
        rows.lazy()
        .group_by(pl.col("destination").fill_null(""), "class", "side", "currency")
        .agg(pl.len().alias("rows"), pl.col("seconds", "billed_seconds", "amount", "exposure").sum())
        .select(pl.col(name).cast(dtype) for name, dtype in TOTAL_SCHEMA.items())
        .sort(TOTAL_KEY)
        .collect()
    )


def require_balance(totals: pl.DataFrame, calls: Calls, counted: Flags) -> None:
    """Checks that the totals of a side equal the sums of its input, which are computed independently.

    Args:
        totals: ``TOTAL_SCHEMA``.
        calls: the side's input.
        counted: rows that are in the totals.

    Raises:
        UnbalancedReconciliation: rows, seconds or money differ.
    """
    input_sums = [int(counted.sum()), int(calls.duration_ms[counted].sum()), _exact_sum(calls, counted)]
    expected_sums = (
        pl.Series([input_sums[0]]),
        as_decimal(pl.Series([input_sums[1]]), 3),
        as_decimal(pl.Series([input_sums[2]], dtype=pl.Int128)),
    )
    of_side = totals.filter(pl.col("side") == calls.name)
    for name, expected in zip(("rows", "seconds", "amount"), expected_sums, strict=True):
        if (of_side[name].sum() or 0) != expected.item():
            raise UnbalancedReconciliation(
                f"{calls.name} side: {name} by class add up to {of_side[name].sum()}, the input has {expected.item()}",
                hint="nothing was recorded; this is a bug in cdr_pipeline, please report it",
            )


def _exact_sum(calls: Calls, counted: Flags) -> int:
    """Sum in units of 1e-8; added in halves, because ten million large amounts exceed 64 bits."""
    amounts = calls.amount[counted]
    return (int((amounts >> 32).sum()) << 32) + int((amounts & np.int64(0xFFFFFFFF)).sum())
