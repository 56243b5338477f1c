"""Rejects records of months that were removed by policy when they are delivered again.

A leg belongs to the month of its API record. Its imported record is removed with it, even if it is in another month.
"""

from datetime import date
from typing import Any, Final

import polars as pl
from psycopg import Connection

from cdr_pipeline.core.fields.schemas import DETAIL, LINE, RAW, CheckedRows
from cdr_pipeline.core.records.links import LEG_REACH_DAYS
from cdr_pipeline.core.records.reasons import Reject
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
    parameters = {"account_id": account_id, "origin": origin, "record_ids": ids}
    with connection.cursor() as cursor:
        cursor.execute(statement("retention/removed_records"), parameters)
        schema = {"record_id": pl.String, "__removed": pl.Date}
        removed = pl.DataFrame(cursor.fetchall(), schema=schema, orient="row")
        cursor.execute(statement("retention/records_of_kept_legs"), parameters)
        present_ids = [record_id for (record_id,) in cursor]
    # A source that restarts its numbering every month uses the same id for other calls.
    removed_ids = (
        rows.join(removed, on="record_id")
        .filter((pl.col("__removed") - day).abs() <= pl.duration(days=1))
        .get_column("record_id")
    )
    record_id = pl.col("record_id")
    rejected = record_id.is_in(removed_ids.implode()) | (in_removed_month & ~record_id.is_in(present_ids))
    return CheckedRows(rows.filter(~rejected), rows.filter(rejected).select(*_reject()))


def _month_is_in(day: pl.Expr, months: frozenset[date]) -> pl.Expr:
    return day.dt.truncate("1mo").is_in(sorted(months))


def _reject() -> tuple[pl.Expr, ...]:
    return (
        pl.col(LINE),
        pl.lit("business_date").alias("field"),
        pl.lit(Reject.MONTH_REMOVED.value).alias("reason"),
        pl.col("record_id").alias(RAW),
        pl.lit(None, pl.String).alias(DETAIL),
    )
