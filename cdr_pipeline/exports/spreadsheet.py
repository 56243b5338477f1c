"""The CSV dialect ``spreadsheet``: a spreadsheet opens it by double click without changing or running a cell.

The file has a byte order mark, CRLF and quotes around every cell. Rule ``apostrophe-v1`` puts an apostrophe before text
that a spreadsheet would run (it begins with = + - @, their wide forms, a tab or a line end) or read as a number or date
(it begins with a digit or a month). Text that begins with an apostrophe gets one too, so that removing it is exact.
Quotes alone do not stop a spreadsheet. Columns of numbers and dates are unchanged.
"""

import io
from collections.abc import Sequence
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import BY_NAME, Kind

RULE: Final = "apostrophe-v1"
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
