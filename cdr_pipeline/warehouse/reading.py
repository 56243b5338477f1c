"""Reads records out of the warehouse in the notation of the daily file, chunk by chunk: memory does not grow."""

import io
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import islice
from typing import Any, Final

import polars as pl
from psycopg import Connection

from cdr_pipeline.warehouse.statements import statement

_CHUNK_ROWS: Final = 20_000


def day_lines(
    connection: Connection[Any], account_id: str, business_date: date, *, chunk_rows: int = _CHUNK_ROWS
) -> Generator[bytes]:
    """One account's legs of one business date, as the server itself formats them.

    The next chunk is fetched while the caller is at work with the one before.

    Args:
        connection: to the warehouse; busy until the iterator is exhausted or closed.
        account_id: whose.
        business_date: of which day.
        chunk_rows: most rows in one chunk.

    Yields:
        Lines of the exact dialect without a header, the columns of the daily file, grain one leg of ``cdr_merged``,
        ordered by ``started_at, origin, record_id`` (byte order) within and across chunks.
    """
    chunks = _chunks(connection, account_id, business_date, chunk_rows)
    with ThreadPoolExecutor(1, thread_name_prefix="day_lines") as reader:
        try:
            coming = reader.submit(next, chunks, None)
            while (chunk := coming.result()) is not None:
                coming = reader.submit(next, chunks, None)
                yield chunk
        finally:
            reader.submit(chunks.close).result()


def _chunks(connection: Connection[Any], account_id: str, business_date: date, chunk_rows: int) -> Generator[bytes]:
    parameters = {"account_id": account_id, "business_date": business_date}
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(statement("read/day_lines"), parameters) as copy,
    ):
        rows = iter(copy)
        while chunk := list(islice(rows, chunk_rows)):
            yield _with_own_line_ends(b"".join(chunk), len(chunk))


def _with_own_line_ends(lines: bytes, rows: int) -> bytes:
    """CRLF at the end of each line; nothing in place of an empty string, which COPY writes as a pair of quotes.

    A chunk in which line ends stand within cells, or in which some cell might be an empty string, is read and written
    anew; those are rare, and the others cost no more than a copy.
    """
    if lines.count(b"\n") == rows and b',"",' not in lines and b',""\n' not in lines:
        return lines.replace(b"\n", b"\r\n")
    cells = pl.read_csv(io.BytesIO(lines), has_header=False, infer_schema=False)
    written = io.BytesIO()
    cells.select(pl.all().replace("", None)).write_csv(written, include_header=False, line_terminator="\r\n")
    return written.getvalue()
