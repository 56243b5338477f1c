"""Local times of the hour that exists twice when clocks go back: each is read in the way that pairs with the switch."""

from typing import Final

import polars as pl

_NEAR_MS: Final = 600_000


def settle_repeated_hour(carrier: pl.DataFrame, switch: pl.DataFrame, zone: str) -> pl.DataFrame:
    """The carrier's side with the times of a repeated hour moved to the pass in which the switch has the call.

    A call that the switch has in both passes, or in none, keeps its time.

    Args:
        carrier: ``SIDE_SCHEMA`` of a file with local times.
        switch: ``SIDE_SCHEMA``.
        zone: IANA zone of the file's times.
    """
    local = pl.col("started_at").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    twice = carrier.filter(local.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").is_null())
    if twice.is_empty():
        return carrier
    passes = [
        local.dt.replace_time_zone(zone, ambiguous=reading, non_existent="null").dt.convert_time_zone("UTC")
        for reading in ("earliest", "latest")
    ]
    readings = twice.select("row_id", "callee", "started_at", first=passes[0], second=passes[1])
    calls = switch.select("callee", call_at="started_at").filter(pl.col("callee") != "")
    apart = [
        (pl.col("call_at") - pl.col(reading)).dt.total_milliseconds().abs().min() <= _NEAR_MS
        for reading in ("first", "second")
    ]
    settled = (
        readings.join(calls, on="callee")
        .group_by("row_id", "first", "second")
        .agg(in_first=apart[0], in_second=apart[1])
        .filter(pl.col("in_first") != pl.col("in_second"))
        .select("row_id", at=pl.when("in_first").then("first").otherwise("second"))
    )
    return (
        carrier.join(settled, on="row_id", how="left", maintain_order="left")
        .with_columns(started_at=pl.coalesce("at", "started_at"))
        .drop("at")
    )
