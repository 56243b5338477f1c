"""Months that were removed by policy stay so: their records, delivered again, are rejected."""

from datetime import date
from typing import Any

import polars as pl
from psycopg import Connection

from cdr_pipeline.core.reasons import Reject
from cdr_pipeline.core.schemas import LINE, RAW, Sifted
from cdr_pipeline.warehouse.statements import statement


def removed_months(connection: Connection[Any], account_id: str) -> frozenset[date]:
    """First days of the account's removed months."""
    found = connection.execute(statement("retention/removed_months"), {"account_id": account_id})
    return frozenset(row[0] for row in found)


def sift_removed(rows: pl.DataFrame, months: frozenset[date]) -> Sifted:
    """Sets aside rows of removed months; of the record only its id is kept, for the rest was to be gone."""
    gone = pl.col("business_date").dt.truncate("1mo").is_in(sorted(months))
    rejects = rows.filter(gone).select(
        LINE,
        pl.lit("business_date").alias("field"),
        pl.lit(Reject.MONTH_REMOVED.value).alias("reason"),
        pl.col("record_id").alias(RAW),
    )
    return Sifted(rows.filter(~gone), rejects)
