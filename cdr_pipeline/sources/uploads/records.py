"""Text of a file to raw rows, with every logical line accounted for. Columnar: no loop over lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from cdr_pipeline.core.profile import Layout
from cdr_pipeline.core.reasons import Filtered, Reject
from cdr_pipeline.core.rejection import Fault, sift
from cdr_pipeline.core.schemas import LINE, RAW
from cdr_pipeline.errors import UnreadableUpload

_FIELDS: Final = "__fields"
_WIDTH: Final = "__width"


@dataclass(frozen=True, slots=True)
class RawRecords:
    """A file's lines by what became of them: ``read = frame + rejects + filtered``.

    Attributes:
        frame: ``line``, ``raw`` and one text column per source column, lower-case names; one row per record.
        rejects: refused lines.
        filtered: lines that are no records, by kind.
        read: logical lines in the file; a quoted field may hold physical line ends.
    """

    frame: pl.DataFrame
    rejects: pl.DataFrame
    filtered: dict[Filtered, int]
    read: int


def delimited_records(text: str, layout: Layout) -> RawRecords:
    """Rows of delimited text.

    A row with another number of fields than its layout is a reject, never padded or cut; so is one with a quote that
    is opened and not closed. A field that is quoted in part (``"Name" <100>``) is kept as it stands.

    Raises:
        UnreadableUpload: the header lacks every column that the profile could use, or names one twice.
    """
    lines = _logical_lines(text, layout)
    read = lines.height
    blank = lines[RAW].str.strip_chars() == ""
    filtered = {Filtered.BLANK: int(blank.sum())}
    lines = lines.filter(~blank)
    names: tuple[str, ...] = ()
    if layout.header and not lines.is_empty():
        names = _header_names(_split(lines.head(1), layout)[_FIELDS].item(0).to_list())
        filtered |= {Filtered.HEADER: 1, Filtered.TYPE_ROW: min(layout.type_rows, lines.height - 1)}
        lines = lines.slice(1 + layout.type_rows)
    layouts = [names] if layout.header else [tuple(columns) for columns in layout.columns]
    sifted = sift(_split(lines, layout), _faults(layouts))
    frame = _named(sifted.rows, layouts, layout)
    return RawRecords(frame, sifted.rejects, filtered, read)


def rejected_lines(text: str, reason: Reject) -> RawRecords:
    """Every physical line of a text that is not records at all, as rejects of one reason, blank ones filtered."""
    lines = _physical_lines(text)
    blank = lines[RAW].str.strip_chars() == ""
    rejects = lines.filter(~blank).select(LINE, pl.lit("").alias("field"), pl.lit(reason.value).alias("reason"), RAW)
    frame = pl.DataFrame(schema={LINE: pl.Int64, RAW: pl.String})
    return RawRecords(frame, rejects, {Filtered.BLANK: int(blank.sum())}, lines.height)


def _physical_lines(text: str) -> pl.DataFrame:
    """Lines by LF, CRLF or, where a file has no LF, CR; a final line end begins no further line."""
    if "\n" not in text:
        text = text.replace("\r", "\n")
    text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    if not text:
        return pl.DataFrame(schema={LINE: pl.Int64, RAW: pl.String})
    return (
        pl.DataFrame({RAW: [text]})
        .select(pl.col(RAW).str.split("\n"))
        .explode(RAW)
        .with_row_index(LINE, offset=1)
        .with_columns(pl.col(LINE).cast(pl.Int64), pl.col(RAW).str.strip_suffix("\r"))
    )


def _logical_lines(text: str, layout: Layout) -> pl.DataFrame:
    """Physical lines joined where a quoted field spans them: ``line`` is the first one's number.

    A line opens a quoted field when the quotes up to and including it are odd in number. When the file ends inside
    one, its opening line and all that follow stay single lines, so that one lost quote swallows nothing.
    """
    lines = _physical_lines(text)
    if not layout.quoted or lines.is_empty():
        return lines
    quotes = pl.col(RAW).str.count_matches('"', literal=True).cast(pl.Int64)
    counted = lines.with_columns((quotes.cum_sum() % 2 == 1).alias("__open"))
    if counted["__open"].item(-1):
        closed = counted.filter(~pl.col("__open"))[LINE]
        last_closed = closed.max() if len(closed) else 0
        counted = counted.with_columns(pl.col("__open") & (pl.col(LINE) <= last_closed))
    if not counted["__open"].any():
        return lines
    record = (~pl.col("__open").shift(1, fill_value=False)).cum_sum()
    return (
        counted.with_columns(record.alias("__record"))
        .group_by("__record", maintain_order=True)
        .agg(pl.col(LINE).first(), pl.col(RAW).str.join("\n"))
        .drop("__record")
    )


def _split(lines: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Adds the list of raw fields, each beginning with the delimiter, and their number.

    Every field matches ``delimiter, then quoted parts or anything but delimiter and quote``; what is left unmatched
    is a quote that is never closed.
    """
    mark = _escaped(layout.delimiter)
    field = rf'{mark}(?:"[^"]*"|[^{mark}"]+)*' if layout.quoted else rf"{mark}[^{mark}]*"
    fields = (pl.lit(layout.delimiter) + pl.col(RAW)).str.extract_all(field)
    return lines.with_columns(fields.alias(_FIELDS)).with_columns(
        pl.col(_FIELDS).list.len().alias(_WIDTH),
        pl.col(_FIELDS).list.join("").str.len_bytes().alias("__matched"),
    )


def _escaped(delimiter: str) -> str:
    return "\\t" if delimiter == "\t" else f"\\{delimiter}"


def _header_names(fields: Sequence[str]) -> tuple[str, ...]:
    names = tuple(field[1:].strip().strip('"').strip().lower() for field in fields)
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if twice:
        raise UnreadableUpload(
            f"the header names a column twice: {', '.join(twice)}", hint="give each column its own name"
        )
    return tuple(name or f"column_{number}" for number, name in enumerate(names, start=1))


def _faults(layouts: Sequence[tuple[str, ...]]) -> list[Fault]:
    widths = sorted({len(names) for names in layouts})
    return [
        Fault("", Reject.NUL_CHARACTER, pl.col(RAW).str.contains("\x00", literal=True)),
        Fault("", Reject.BROKEN_QUOTE, pl.col("__matched") != pl.col(RAW).str.len_bytes() + 1),
        Fault("", Reject.RAGGED_ROW, ~pl.col(_WIDTH).is_in(widths)),
    ]


def _named(rows: pl.DataFrame, layouts: Sequence[tuple[str, ...]], layout: Layout) -> pl.DataFrame:
    """One text column per source column; files whose rows differ in width get the union of their columns."""
    if rows.is_empty():
        columns = dict.fromkeys((name for names in layouts for name in names), pl.String())
        return pl.DataFrame(schema={LINE: pl.Int64(), RAW: pl.String(), **columns})
    parts = [
        rows.filter(pl.col(_WIDTH) == len(names)).select(
            LINE, RAW, *(_value(number, layout).alias(name) for number, name in enumerate(names))
        )
        for names in layouts
    ]
    return pl.concat(parts, how="diagonal").sort(LINE)


def _value(number: int, layout: Layout) -> pl.Expr:
    """A field without its delimiter and quotes; "", the profile's nulls and blanks are null."""
    field = pl.col(_FIELDS).list.get(number, null_on_oob=True).str.slice(1)
    trimmed = field.str.strip_chars(" \t\r\n") if layout.skip_space or not layout.quoted else field
    if layout.quoted:
        whole = trimmed.str.contains(r'^"(?:[^"]|"")*"$')
        inner = trimmed.str.slice(1, trimmed.str.len_chars() - 2).str.replace_all('""', '"', literal=True)
        trimmed = pl.when(whole).then(inner).otherwise(trimmed)
    value = trimmed.str.strip_chars(" \t\r\n")
    return pl.when(~value.is_in(["", *layout.nulls])).then(value)
