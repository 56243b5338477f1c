"""The CSV dialect ``exact``: RFC 4180, UTF-8, CRLF, a header, quotes where needed. For programs, not for spreadsheets.

An empty cell means "unknown"; there are no empty strings. Instants are ISO 8601 in UTC with Z, with a fraction only if
it is not 0. Seconds have no trailing zeros; money always has eight decimals.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import BY_NAME, Kind, names
from cdr_pipeline.errors import ExportError

_CHUNK_ROWS: Final = 50_000


def header(columns: Sequence[str] | None = None) -> bytes:
    """The header line; by default of the current columns."""
    return (",".join(names(exported_only=True) if columns is None else columns) + "\r\n").encode()


def encode(records: pl.DataFrame) -> bytes:
    """Lines of records, without the header.

    Args:
        records: the columns of ``names(exported_only=True)``, typed as in the field dictionary; others are ignored.

    Raises:
        ExportError: a column is missing or of another type. Instants in another zone and decimals of another scale
            would be written as wrong values.
    """
    schema = records.schema
    invalid = [name for name in names(exported_only=True) if schema.get(name) != BY_NAME[name].kind.dtype]
    if invalid:
        raise ExportError(f"not the columns of a daily file: {', '.join(invalid)} missing or of another type")
    return lines(to_text(records, names(exported_only=True)))


def lines(texts: pl.DataFrame) -> bytes:
    """Lines of text cells, without the header.

    Args:
        texts: text columns; null becomes an empty cell.
    """
    if texts.is_empty():
        return b""
    buffer = io.BytesIO()
    texts.write_csv(buffer, include_header=False, line_terminator="\r\n")
    return buffer.getvalue()


def to_text(records: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Typed columns of the field dictionary as text, formatted as in the file."""
    return records.select(_text(name) for name in columns)


def typed(columns: Sequence[str]) -> list[pl.Expr]:
    """Reverse of ``to_text``: casts the columns of the field dictionary to their types; others stay text."""
    return [_typed(name) for name in columns]


def scan_cells(path: Path) -> pl.LazyFrame:
    """A CSV file as text columns."""
    # glob=False: a folder may have [brackets] in its name.
    return pl.scan_csv(path, infer_schema=False, glob=False)


def read_csv(path: Path) -> Iterator[pl.DataFrame]:
    """Cells of a CSV file, in chunks of rows."""
    return batches(scan_cells(path))


def batches(scan: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Rows of a file in order, in chunks."""
    return scan.collect_batches(chunk_size=_CHUNK_ROWS, maintain_order=True)


def _text(name: str) -> pl.Expr:
    column = pl.col(name)
    match BY_NAME[name].kind:
        case Kind.INSTANT:
            seconds = column.dt.strftime("%Y-%m-%dT%H:%M:%S")
            fraction = column.dt.strftime("%.6f").str.strip_chars_end("0")
            return (seconds + pl.when(column.dt.microsecond() > 0).then(fraction).otherwise(pl.lit("")) + "Z").alias(
                name
            )
        case Kind.SECONDS:
            return column.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".").alias(name)
        case Kind.DATE:
            return column.dt.strftime("%Y-%m-%d")
        case Kind.TEXT:
            # CSV readers cannot distinguish an empty string from null, so both become null.
            return column.replace("", None)
        case _:
            return column.cast(pl.String)


def _typed(name: str) -> pl.Expr:
    column = pl.col(name)
    kind = BY_NAME[name].kind if name in BY_NAME else Kind.TEXT
    match kind:
        case Kind.INSTANT:
            return column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC")
        case Kind.DATE:
            return column.str.to_date("%Y-%m-%d")
        case Kind.FLAG:
            return pl.when(column.is_not_null()).then(column == "true").alias(name)
        case _:
            return column.cast(kind.dtype)
