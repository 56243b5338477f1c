"""Rejects records of months that were removed by policy when they are delivered again.

A leg belongs to the month of its API record. Its imported record is removed with it, even if it is in another month. An
imported record in another month that comes for the first time after the removal is recognised by its call id. It is not
recognised, and counts as a new leg, if it has no call id, if only a reconciliation would link it, if the removal was
before that call was kept, or if it starts almost a day after a call of the last but one day and the last has 23 hours.
"""

from datetime import date
from typing import Any, Final

import polars as pl
import polars_hash as plh
from psycopg import Connection

from cdr_pipeline.core.fields.schemas import DAY, DETAIL, LINE, RAW, CheckedRows
from cdr_pipeline.core.records.links import IMPORTED, LEG_REACH_DAYS, MOST_APART
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.warehouse.statement_runner import StatementRunner
from cdr_pipeline.warehouse.statements import statement

_REACH: Final = (f"-{LEG_REACH_DAYS}d", f"{LEG_REACH_DAYS}d")


def removed_months(connection: Connection[Any], account_id: str) -> frozenset[date]:
    """First days of the account's removed months."""
    rows = connection.execute(statement("retention/removed_months"), {"account_id": account_id})
    return frozenset(row[0] for row in rows)


def reject_removed_months(
    connection: Connection[Any], rows: pl.DataFrame, months: frozenset[date], *, account_id: str, origin: str
) -> CheckedRows:
    """Separates the rows whose legs were removed; their rejects contain only the record id.

    Args:
        connection: in the batch's transaction, which holds the account's lock.
        rows: frame of the working schema with record ids.
        months: first days of the account's removed months.
        account_id: account that owns the records.
        origin: origin of the records, ``api`` or ``imported``.
    """
    day = pl.col("business_date")
    in_removed_month = _month_is_in(day, months)
    near = pl.any_horizontal(in_removed_month, *(_month_is_in(day.dt.offset_by(days), months) for days in _REACH))
    ids = rows.filter(near)["record_id"].to_list()
    if not ids:
        return CheckedRows(rows, rows.clear().select(*_reject()))
    statements = StatementRunner(connection, {"account_id": account_id, "origin": origin, "record_ids": ids})
    schema = {"record_id": pl.String, "__removed": pl.Date}
    removed = pl.DataFrame(statements.tuples("retention/removed_records"), schema=schema, orient="row")
    present_ids = [record_id for (record_id,) in statements.tuples("retention/records_of_kept_legs")]
    # A source that restarts its numbering every month uses the same id for other calls.
    removed_ids = (
        rows.join(removed, on="record_id")
        .filter((pl.col("__removed") - day).abs() <= pl.duration(days=1))
        .get_column("record_id")
    )
    record_id = pl.col("record_id")
    rejected = record_id.is_in(removed_ids.implode()) | (in_removed_month & ~record_id.is_in(present_ids))
    if origin == IMPORTED:
        rejected |= record_id.is_in(_of_removed_calls(rows.filter(near & ~in_removed_month), statements))
    return CheckedRows(rows.filter(~rejected), rows.filter(rejected).select(*_reject()))


def _of_removed_calls(rows: pl.DataFrame, statements: StatementRunner) -> list[str]:
    """Ids of imported records of kept months whose call was removed before any imported record of it came."""
    calls = rows.drop_nulls("call_id")
    if calls.is_empty():
        return []
    found = statements.tuples(
        "retention/records_of_removed_calls",
        record_ids=calls["record_id"].to_list(),
        call_ids=calls["call_id"].to_list(),
        call_digests=calls.select(plh.col("call_id").chash.sha2_256()).to_series().to_list(),
        starts=calls["started_at"].to_list(),
        most_apart=MOST_APART,
    )
    return [record_id for (record_id,) in found]


def _month_is_in(day: pl.Expr, months: frozenset[date]) -> pl.Expr:
    return day.dt.truncate("1mo").is_in(sorted(months))


def _reject() -> tuple[pl.Expr, ...]:
    return (
        pl.col(LINE),
        pl.lit("business_date").alias("field"),
        pl.lit(Reject.MONTH_REMOVED.value).alias("reason"),
        pl.col("record_id").alias(RAW),
        pl.lit(None, pl.String).alias(DETAIL),
        pl.col(DAY),
    )
