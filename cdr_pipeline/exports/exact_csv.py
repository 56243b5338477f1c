"""The CSV dialect ``exact``: RFC 4180, UTF-8, CRLF, a header, quotes where needed. For machines; not for a spreadsheet.

Nothing between two commas means "unknown"; text is never the empty string. Instants are ISO 8601 in UTC with Z, with
a fraction only when there is one; seconds have no trailing zeros; money has all its eight decimals.
"""

import io
from collections.abc import Sequence

import polars as pl

from cdr_pipeline.core.fields.dictionary import BY_NAME, Kind, names
from cdr_pipeline.errors import ExportError


def header(columns: Sequence[str] | None = None) -> bytes:
    """The first line, of today's columns when none are given."""
    return (",".join(names(exported_only=True) if columns is None else columns) + "\r\n").encode()


def encode(records: pl.DataFrame) -> bytes:
    """Lines of records, without the header.

    Args:
        records: the columns of ``names(exported_only=True)``, typed as in the field dictionary; others are left out.

    Raises:
        ExportError: a column is missing or of another type. The formats below are right for theirs only: an instant
            in another zone or a decimal of another scale would be written as another value.
    """
    wrong = [name for name in names(exported_only=True) if records.schema.get(name) != BY_NAME[name].kind.dtype]
    if wrong:
        raise ExportError(f"not the columns of a daily file: {', '.join(wrong)} missing or of another type")
    return lines(to_text(records, names(exported_only=True)))


def lines(texts: pl.DataFrame) -> bytes:
    """Lines of cells that are written already, without the header.

    Args:
        texts: every column text; null is nothing.
    """
    if texts.is_empty():
        return b""
    written = io.BytesIO()
    texts.write_csv(written, include_header=False, line_terminator="\r\n")
    return written.getvalue()


def to_text(records: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Typed columns of the field dictionary as the text that stands in the file."""
    return records.select(_text(name) for name in columns)


def typed(columns: Sequence[str]) -> list[pl.Expr]:
    """The other way: each column that the field dictionary knows, of its type; others stay text."""
    return [_typed(name) for name in columns]


def _text(name: str) -> pl.Expr:
    column = pl.col(name)
    match BY_NAME[name].kind:
        case Kind.INSTANT:
            whole = column.dt.strftime("%Y-%m-%dT%H:%M:%S")
            fraction = column.dt.strftime("%.6f").str.strip_chars_end("0")
            return (whole + pl.when(column.dt.microsecond() > 0).then(fraction).otherwise(pl.lit("")) + "Z").alias(name)
        case Kind.SECONDS:
            return column.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".").alias(name)
        case Kind.DATE:
            return column.dt.strftime("%Y-%m-%d")
        case Kind.TEXT:
            # CSV readers cannot tell the empty string from nothing, so there is only nothing.
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
