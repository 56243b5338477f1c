"""The CSV dialect ``spreadsheet``: a spreadsheet opens it by double click without changing or running a cell.

The file has a byte order mark, CRLF and quotes around every cell. Rule ``apostrophe-v1`` puts an apostrophe before text
that a spreadsheet would run (it begins with = + - @, their wide forms, a tab or a line end) or read as a number or date
(it begins with a digit or a month). Text that begins with an apostrophe gets one too, so that removing it is exact.
Quotes alone do not stop a spreadsheet. Columns of numbers and dates are unchanged.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import BY_NAME, Kind
from cdr_pipeline.exports.atomic import AtomicFile
from cdr_pipeline.exports.content import Content
from cdr_pipeline.exports.dialects.dialect import ExactRows, ExportDialect
from cdr_pipeline.exports.exact_csv import read_csv

_MARK: Final = "\ufeff".encode()
_RISKY: Final = (
    r"^(?:[=+\-@'\t\r\n\x00\u{FF1D}\u{FF0B}\u{FF0D}\u{FF20}]|\s*[0-9]|"
    r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|true$|false$))"
)


def header(columns: Sequence[str]) -> bytes:
    """Byte order mark and header line."""
    return _MARK + (",".join(f'"{name}"' for name in columns) + "\r\n").encode()


def encode(texts: pl.DataFrame) -> bytes:
    """Lines of the cells of the exact dialect, without the header."""
    if texts.is_empty():
        return b""
    buffer = io.BytesIO()
    guarded = texts.select(_guarded(name) for name in texts.columns)
    guarded.write_csv(buffer, include_header=False, line_terminator="\r\n", quote_style="always")
    return buffer.getvalue()


def decode(cells: pl.DataFrame) -> pl.DataFrame:
    """Reverse of ``encode``: cells of the exact dialect."""
    return cells.select(
        pl.col(name).str.strip_prefix("'").replace("", None) if _is_text(name) else pl.col(name).replace("", None)
        for name in cells.columns
    )


def _guarded(name: str) -> pl.Expr:
    column = pl.col(name)
    if not _is_text(name):
        return column
    return pl.when(column.str.contains(_RISKY)).then(pl.lit("'") + column).otherwise(column).alias(name)


def _is_text(name: str) -> bool:
    return name not in BY_NAME or BY_NAME[name].kind is Kind.TEXT


def _write(rows: ExactRows, writing: AtomicFile) -> None:
    content = Content(writing, rows.compression)
    content.write(header(rows.columns))
    for frame in rows.frames():
        content.write(encode(frame))
    content.finish()


def _read(path: Path) -> Iterator[pl.DataFrame]:
    return (decode(cells) for cells in read_csv(path))


DIALECT: Final = ExportDialect(
    name="spreadsheet",
    suffix=".spreadsheet.csv",
    description="CSV that a spreadsheet opens by double click: byte order mark, everything quoted, an apostrophe "
    "before text that a spreadsheet would run, or read as a number or date",
    read=_read,
    write=_write,
    header=header,
    rule="apostrophe-v1",
)
