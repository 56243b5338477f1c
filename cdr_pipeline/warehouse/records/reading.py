"""Reads records out of the warehouse in the notation of the daily file, chunk by chunk: memory does not grow."""

import io
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any, Final

import polars as pl
from psycopg import Connection

from cdr_pipeline.warehouse.statements import statement

# Small enough for the caches of a processor, large enough that what is done once a chunk does not count.
_CHUNK_BYTES: Final = 4 << 20


def day_lines(
    connection: Connection[Any], account_id: str, business_date: date, *, chunk_bytes: int = _CHUNK_BYTES
) -> Generator[bytes]:
    """One account's legs of one business date, as the server itself formats them.

    The next chunk is fetched while the caller is at work with the one before.

    Args:
        connection: to the warehouse; busy until the iterator is exhausted or closed.
        account_id: whose.
        business_date: of which day.
        chunk_bytes: so many make a chunk, the row that goes beyond included.

    Yields:
        Lines of the exact dialect without a header, the columns of the daily file, grain one leg of ``cdr_merged``,
        ordered by ``started_at, origin, record_id`` (byte order) within and across chunks.
    """
    chunks = _chunks(connection, account_id, business_date, chunk_bytes)
    with ThreadPoolExecutor(1, thread_name_prefix="day_lines") as reader:
        try:
            coming = reader.submit(next, chunks, None)
            while (chunk := coming.result()) is not None:
                coming = reader.submit(next, chunks, None)
                yield chunk
        finally:
            reader.submit(chunks.close).result()


def _chunks(connection: Connection[Any], account_id: str, business_date: date, chunk_bytes: int) -> Generator[bytes]:
    parameters = {"account_id": account_id, "business_date": business_date}
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(statement("days/day_lines"), parameters) as copy,
    ):
        # Each row is copied into one buffer at once: thousands of small ones, kept until a chunk is full, cost more
        # than all the rest.
        chunk, rows = io.BytesIO(), 0
        for row in copy:
            chunk.write(row)
            rows += 1
            if chunk.tell() >= chunk_bytes:
                yield _with_own_line_ends(chunk.getvalue(), rows)
                chunk, rows = io.BytesIO(), 0
        if rows:
            yield _with_own_line_ends(chunk.getvalue(), rows)


def _with_own_line_ends(lines: bytes, rows: int) -> bytes:
    """CRLF at the end of each line; nothing in place of an empty string, which COPY writes as a pair of quotes.

    A chunk in which line ends stand within cells, or in which some cell might be an empty string, is read and written
    anew; those are rare, and the others cost no more than a copy.
    """
    if lines.count(b"\n") == rows and not _may_hold_empty_cells(lines):
        return lines.replace(b"\n", b"\r\n")
    cells = pl.read_csv(io.BytesIO(lines), has_header=False, infer_schema=False)
    written = io.BytesIO()
    cells.select(pl.all().replace("", None)).write_csv(written, include_header=False, line_terminator="\r\n")
    return written.getvalue()


def _may_hold_empty_cells(lines: bytes) -> bool:
    """The cheapest question first: most chunks hold no quote at all."""
    return b'"' in lines and b'""' in lines and (b',"",' in lines or b',""\n' in lines)
