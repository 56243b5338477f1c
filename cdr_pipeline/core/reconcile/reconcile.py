"""Two sides in, every row of both accounted for: the order of the steps."""

from typing import Final

import polars as pl

from cdr_pipeline.core.reconcile.classes import CAUSE_TYPE, CLASS_TYPE, SIDE_TYPE
from cdr_pipeline.core.reconcile.reconciled import MONEY, OFFSET_SCHEMA, PAIR_SCHEMA, SECONDS, TOTAL_SCHEMA, Reconciled
from cdr_pipeline.core.reconcile.rules import Rules
from cdr_pipeline.core.reconcile.side import require_side

_SECOND: Final = 1_000


def reconcile(switch: pl.DataFrame | pl.LazyFrame, carrier: pl.DataFrame | pl.LazyFrame, rules: Rules) -> Reconciled:
    """Matches the switch's legs with the carrier's records and classifies every row of both.

    Args:
        switch: ``SIDE_SCHEMA``, any order.
        carrier: ``SIDE_SCHEMA``, any order.
        rules: what is accepted.

    Raises:
        InvalidSide: a side is not in ``SIDE_SCHEMA``.
        UnbalancedReconciliation: the result does not add up to what came in.
    """
    ours, theirs = switch.lazy(), carrier.lazy()
    require_side(ours, "switch")
    require_side(theirs, "carrier")
    a, b = (_numbered(side) for side in (ours, theirs))
    joined = a.join(b, on=["caller", "callee", "nth"], how="inner", suffix="_b").filter(
        (pl.col("started_at_b") - pl.col("started_at")).abs() <= pl.duration(milliseconds=rules.window_ms)
    )
    off = pl.col("duration_ms_b") - pl.col("duration_ms")
    pairs = (
        joined.select(
            pl.col("row_id").alias("switch_row_id"),
            pl.col("row_id_b").alias("carrier_row_id"),
            pl.when(off.abs() < _SECOND)
            .then(pl.lit("matched"))
            .when(off.abs() <= rules.duration_tolerance_ms)
            .then(pl.lit("matched_tol"))
            .otherwise(pl.lit("duration_mismatch"))
            .cast(CLASS_TYPE)
            .alias("class"),
            pl.lit(value=False).alias("ambiguous"),
            (pl.col("started_at_b") - pl.col("started_at")).dt.total_milliseconds().alias("delta_ms"),
            off.alias("duration_difference_ms"),
            (pl.col("amount_b") - pl.col("amount")).cast(MONEY).alias("amount_difference"),
            pl.lit(None, CAUSE_TYPE).alias("cause"),
        )
        .select(PAIR_SCHEMA.keys())
        .sort("switch_row_id")
    )
    rows = pl.concat(
        [
            _rows(a, pairs, "switch", "missing_at_carrier"),
            _rows(b, pairs, "carrier", "missing_in_switch"),
        ]
    )
    totals = (
        rows.group_by("destination", "class", "side")
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("seconds", "billed_seconds", "amount", "exposure").sum(),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in TOTAL_SCHEMA.items())
        .sort("destination", "class", "side")
    )
    offset = pl.DataFrame([["offset_unknown", 0, 0.0, 0, 0, "", None, 0]], schema=OFFSET_SCHEMA, orient="row")
    return Reconciled(pairs, rows, totals, offset)


def _numbered(side: pl.LazyFrame) -> pl.DataFrame:
    order = pl.col("row_id").cum_count().over("caller", "callee", order_by=["started_at", "row_id"])
    return side.with_columns(order.alias("nth")).collect()


def _rows(side: pl.DataFrame, pairs: pl.DataFrame, name: str, missing: str) -> pl.DataFrame:
    partner = pairs.select(pl.col(f"{name}_row_id").alias("row_id"), "class")
    found = side.join(partner, on="row_id", how="left", maintain_order="left")
    billable = pl.col("answered") & (pl.col("duration_ms") > 0)
    unmatched = pl.when(billable).then(pl.lit(missing)).otherwise(pl.lit("unbillable")).cast(CLASS_TYPE)
    exposure = pl.when(pl.col("class").is_null() & (pl.lit(name) == "carrier")).then(pl.col("amount"))
    return found.select(
        pl.lit(name).cast(SIDE_TYPE).alias("side"),
        "row_id",
        pl.coalesce(pl.col("class"), unmatched).alias("class"),
        (pl.col("duration_ms").cast(pl.Decimal(38, 3)) / 1000).cast(SECONDS).alias("seconds"),
        (pl.col("duration_ms") // 1000).alias("billed_seconds"),
        pl.col("amount").cast(MONEY),
        exposure.cast(MONEY).fill_null(0).alias("exposure"),
        pl.col("destination").fill_null(""),
    ).sort("row_id")
