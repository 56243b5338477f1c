"""Months that were removed by policy stay so: their records, delivered again, are rejected.

A leg belongs to the month of its API record, and its imported record goes and stays with it, whatever month that is in.
"""

from datetime import date
from typing import Any, Final

import polars as pl
from psycopg import Connection

from cdr_pipeline.core.fields.schemas import LINE, RAW, CheckedRows
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.warehouse.statements import statement

# The two records of a leg are at most so many days apart, time zones included.
_REACH: Final = ("-3d", "3d")


def removed_months(connection: Connection[Any], account_id: str) -> frozenset[date]:
    """First days of the account's removed months."""
    found = connection.execute(statement("retention/removed_months"), {"account_id": account_id})
    return frozenset(row[0] for row in found)


def reject_removed_months(
    connection: Connection[Any], rows: pl.DataFrame, months: frozenset[date], *, account_id: str, origin: str
) -> CheckedRows:
    """Sets aside rows whose legs were removed; only the id of such a record is kept.

    Args:
        connection: in the batch's transaction, which holds the account's lock.
        rows: working schema with record ids.
        months: first days of the account's removed months.
        account_id: account that owns the records.
        origin: of the records.
    """
    day = pl.col("business_date")
    of_removed = _month_is_in(day, months)
    near = pl.any_horizontal(of_removed, *(_month_is_in(day.dt.offset_by(days), months) for days in _REACH))
    ids = rows.filter(near)["record_id"].to_list()
    if not ids:
        return CheckedRows(rows, rows.clear().select(*_reject()))
    asked = {"account_id": account_id, "origin": origin, "record_ids": ids}
    with connection.cursor() as cursor:
        cursor.execute(statement("retention/removed_records"), asked)
        schema = {"record_id": pl.String, "__removed": pl.Date}
        removed = pl.DataFrame(cursor.fetchall(), schema=schema, orient="row")
        cursor.execute(statement("retention/records_of_kept_legs"), asked)
        kept = [record_id for (record_id,) in cursor]
    # A source that numbers its records anew every month uses an id for other calls.
    again = (
        rows.join(removed, on="record_id")
        .filter((pl.col("__removed") - day).abs() <= pl.duration(days=1))
        .get_column("record_id")
    )
    gone = pl.col("record_id").is_in(again.implode()) | (of_removed & ~pl.col("record_id").is_in(kept))
    return CheckedRows(rows.filter(~gone), rows.filter(gone).select(*_reject()))


def _month_is_in(day: pl.Expr, months: frozenset[date]) -> pl.Expr:
    return day.dt.truncate("1mo").is_in(sorted(months))


def _reject() -> tuple[pl.Expr, ...]:
    return (
        pl.col(LINE),
        pl.lit("business_date").alias("field"),
        pl.lit(Reject.MONTH_REMOVED.value).alias("reason"),
        pl.col("record_id").alias(RAW),
    )
