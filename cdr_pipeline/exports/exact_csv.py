"""The CSV dialect ``exact``: RFC 4180, UTF-8, CRLF, a header, quotes where needed. For machines; not for a spreadsheet.

Nothing between two commas means "unknown"; text is never the empty string. Instants are ISO 8601 in UTC with Z, with
a fraction only when there is one; seconds have no trailing zeros; money has all its eight decimals.
"""

from typing import Final

import polars as pl

from cdr_pipeline.core.fields import BY_NAME, Kind, names

DIALECT: Final = "exact"


def header() -> bytes:
    """The first line."""
    return (",".join(names(exported_only=True)) + "\r\n").encode()


def encode(records: pl.DataFrame) -> bytes:
    """Lines of records, without the header.

    Args:
        records: the columns of ``names(exported_only=True)``, typed as in the field dictionary.
    """
    if records.is_empty():
        return b""
    texts = records.select(_text(name) for name in names(exported_only=True))
    return texts.write_csv(include_header=False, line_terminator="\r\n").encode()


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
        case _:
            return column
