"""Reads the legs of a day in the format of the daily file, in chunks of bounded size."""

import io
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any, Final

import polars as pl
from psycopg import Connection

from cdr_pipeline.warehouse.statements import on_table, statement

# Small enough for the processor's cache, large enough that the cost per chunk does not matter.
_CHUNK_BYTES: Final = 4 << 20


def day_lines(
    connection: Connection[Any], account_id: str, business_date: date, *, chunk_bytes: int = _CHUNK_BYTES
) -> Generator[bytes]:
    """Legs of an account on a business date, formatted by the server.

    A thread fetches the next chunk while the caller processes the current one.

    Args:
        connection: connection to the warehouse; busy until the iterator is exhausted or closed.
        account_id: account that owns the records.
        business_date: day to read.
        chunk_bytes: a chunk ends with the row that reaches this size in bytes.

    Yields:
        Lines of the exact dialect without a header, the columns of the daily file, grain one leg of ``cdr_merged``,
        ordered by ``started_at, origin, record_id`` (byte order) within and across chunks.
    """
    chunks = _chunks(connection, account_id, business_date, chunk_bytes)
    with ThreadPoolExecutor(1, thread_name_prefix="day_lines") as reader:
        try:
            future = reader.submit(next, chunks, None)
            while (chunk := future.result()) is not None:
                # The server waits while no one reads, so the thread does nothing but read.
                future = reader.submit(next, chunks, None)
                yield with_own_line_ends(*chunk)
        finally:
            reader.submit(chunks.close).result()


def _chunks(
    connection: Connection[Any], account_id: str, business_date: date, chunk_bytes: int
) -> Generator[tuple[bytes, int]]:
    """Rows as COPY writes them, in chunks, with the number of rows of each."""
    parameters = {"account_id": account_id, "business_date": business_date}
    with connection.transaction(), connection.cursor() as cursor:
        linked = cursor.execute(statement("days/has_links"), parameters).fetchone() != (False,)
        lines = on_table("days/day_lines", "legs", "cdr_merged" if linked else "cdr")
        with cursor.copy(lines, parameters) as copy:
            # Rows are copied into one buffer immediately; collecting thousands of small ones costs more than everything
            # else here.
            chunk, rows, size = io.BytesIO(), 0, 0
            for row in copy:
                size += chunk.write(row)
                rows += 1
                if size >= chunk_bytes:
                    yield chunk.getvalue(), rows
                    chunk, rows, size = io.BytesIO(), 0, 0
            if rows:
                yield chunk.getvalue(), rows


def with_own_line_ends(lines: bytes, rows: int) -> bytes:
    """Ends each line with CRLF and writes an empty string as an empty cell; COPY writes it as a pair of quotes.

    A chunk that may have line ends within cells or empty strings is parsed and written again. Such chunks are rare;
    the others cost no more than a copy.
    """
    if lines.count(b"\n") == rows and not _may_hold_empty_cells(lines):
        return lines.replace(b"\n", b"\r\n")
    cells = pl.read_csv(io.BytesIO(lines), has_header=False, infer_schema=False)
    output = io.BytesIO()
    cells.select(pl.all().replace("", None)).write_csv(output, include_header=False, line_terminator="\r\n")
    return output.getvalue()


def _may_hold_empty_cells(lines: bytes) -> bool:
    """Whether a chunk may contain empty strings; checks for any quote first, because most chunks have none."""
    return b'"' in lines and b'""' in lines and (b',"",' in lines or b',""\n' in lines)
