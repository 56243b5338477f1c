"""Reads records out of the warehouse as frames, chunk by chunk, so that memory does not grow with the day."""

import io
from collections.abc import Iterator
from datetime import date
from itertools import islice
from typing import Any, Final

import polars as pl
from psycopg import Connection

from cdr_pipeline.core.fields import BY_NAME, Kind, names
from cdr_pipeline.warehouse.statements import statement

_CHUNK_ROWS: Final = 50_000


def day_records(
    connection: Connection[Any], account_id: str, business_date: date, *, chunk_rows: int = _CHUNK_ROWS
) -> Iterator[pl.DataFrame]:
    """One account's records of one business date.

    Args:
        connection: to the warehouse; busy until the iterator is exhausted.
        account_id: whose.
        business_date: of which day.
        chunk_rows: most rows in one frame.

    Yields:
        Frames of the daily file's columns, typed as in the field dictionary, grain one record, ordered by
        ``started_at, origin, record_id`` (byte order) within and across frames.
    """
    columns = names(exported_only=True)
    parameters = {"account_id": account_id, "business_date": business_date}
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(statement("read/day_records"), parameters) as copy,
    ):
        lines = iter(copy)
        while chunk := b"".join(islice(lines, chunk_rows)):
            texts = pl.read_csv(io.BytesIO(chunk), has_header=False, new_columns=list(columns), infer_schema=False)
            yield texts.select(_typed(name) for name in columns)


def _typed(name: str) -> pl.Expr:
    """PostgreSQL's text of a value to its type; every format here is what the session's ISO settings print."""
    kind = BY_NAME[name].kind
    column = pl.col(name)
    if kind is Kind.INSTANT:
        return column.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", time_unit="us", time_zone="UTC")
    if kind is Kind.DATE:
        return column.str.to_date("%Y-%m-%d")
    if kind is Kind.FLAG:
        return column == "t"
    return column.cast(kind.dtype)
