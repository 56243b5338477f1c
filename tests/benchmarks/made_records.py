"""Records of real width for benchmarks: a simulated switch's day with its documents, repeated under other ids."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache

import orjson
import polars as pl
import polars_hash as plh

from cdr_pipeline.core.normalize.kazoo import Rows, normalize_list
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.simulator.listing import list_row
from cdr_pipeline.simulator.switch import SimulatedSwitch

ACCOUNT = "a" * 32
FIRST_DAY = date(2026, 1, 1)
CHUNK_ROWS = 25_000


@cache
def _a_day() -> pl.DataFrame:
    switch = SimulatedSwitch.build(accounts=1, calls_per_day=1000)
    documents = switch.documents(switch.accounts[0].account_id, FIRST_DAY)
    listed = [list_row(document, switch.dialect) for document in documents]
    detailed = [document | {"id": document["_id"]} for document in documents]
    for document in detailed:
        document["custom_channel_vars"].pop("account_id", None)
    lists, details = (
        Rows(b"\n".join(orjson.dumps(row) for row in rows), frozenset().union(*rows)) for rows in (listed, detailed)
    )
    sifted = normalize_list(
        lists, account_id=ACCOUNT, time_zone="UTC", plan=NumberPlan(country_code="1"), details=details
    )
    assert sifted.rejects.is_empty()
    assert sifted.rows["has_detail"].all()
    return sifted.rows.with_columns(pl.lit("{}").alias("raw"))


def chunks(first: int, last: int, *, rows_per_day: int, days_later: int = 0) -> Iterator[pl.DataFrame]:
    """Records number ``first`` up to before ``last``; the same number is the same record, in the same order.

    Args:
        first, last: numbers of the records.
        rows_per_day: how many records start on one day.
        days_later: moves every start, for records whose day has changed.
    """
    base = _a_day()
    midnight = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    for start in range(first, last, CHUNK_ROWS):
        size = min(CHUNK_ROWS, last - start)
        number = pl.int_range(start, start + size, dtype=pl.Int64)
        seconds = pl.col("__number") * 86_400 // rows_per_day + days_later * 86_400
        began = pl.lit(midnight) + pl.duration(seconds=seconds)
        repeated = base[[row % base.height for row in range(start, start + size)]]
        call = plh.col("__text").chash.sha2_256().str.head(24)
        yield (
            repeated.with_columns(number.alias("__number"))
            .with_columns(pl.col("__number").cast(pl.String).alias("__text"), began.alias("__began"))
            .with_columns(
                pl.concat_str(call, pl.lit("@10.26.0.7")).alias("call_id"),
                (pl.col("__began") - pl.col("started_at")).alias("__moved"),
                pl.col("__number").alias("line"),
            )
            .with_columns(
                pl.concat_str(pl.lit("202601-"), "call_id").alias("record_id"),
                pl.col("__began").cast(pl.Datetime("us", "UTC")).alias("started_at"),
                *((pl.col(name) + pl.col("__moved")).alias(name) for name in ("answered_at", "ended_at")),
                pl.col("__began").dt.date().alias("business_date"),
            )
            .select(base.columns)
        )
