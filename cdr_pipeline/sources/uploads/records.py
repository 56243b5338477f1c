"""Text of a file to raw rows, with every logical line accounted for. Columnar: no loop over lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from cdr_pipeline.core.profile import Layout, column_name
from cdr_pipeline.core.reasons import Filtered, Reject
from cdr_pipeline.core.rejection import Fault, sift
from cdr_pipeline.core.schemas import LINE, RAW
from cdr_pipeline.errors import UnreadableUpload

_FIELDS: Final = "__fields"
_WIDTH: Final = "__width"
_OPEN: Final = "__open"
_RECORD: Final = "__record"
# A column type as SQL writes it: INTEGER, VARCHAR(50), DECIMAL(10,2).
_TYPE: Final = r'[ ]*"?[A-Za-z][A-Za-z_ ]*(?:\([0-9, ]*\))?"?[ ]*'


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
        UnreadableUpload: the header cannot be read as one line of names, or names a column twice.
    """
    lines = _logical_lines(text, layout)
    read = lines.height
    blank = lines[RAW].str.strip_chars() == ""
    filtered = {Filtered.BLANK: int(blank.sum())}
    lines = lines.filter(~blank)
    names: tuple[str, ...] = ()
    if layout.header and not lines.is_empty():
        names = _header_names(lines.head(1), layout)
        type_rows = _type_rows(lines.slice(1, layout.type_rows), layout)
        filtered |= {Filtered.HEADER: 1, Filtered.TYPE_ROW: type_rows}
        lines = lines.slice(1 + type_rows)
    layouts = [names] if layout.header else [tuple(columns) for columns in layout.columns]
    sifted = sift(_split(lines, layout), _faults(layouts))
    frame = _named(sifted.rows, layouts, layout)
    return RawRecords(frame, sifted.rejects, filtered, read)


def rejected_lines(text: str, reason: Reject) -> RawRecords:
    """Every physical line of a text that is not records at all, as rejects of one reason, blank ones filtered."""
    lines = physical_lines(text)
    blank = lines[RAW].str.strip_chars() == ""
    rejects = lines.filter(~blank).select(LINE, pl.lit("").alias("field"), pl.lit(reason.value).alias("reason"), RAW)
    frame = pl.DataFrame(schema={LINE: pl.Int64, RAW: pl.String})
    return RawRecords(frame, rejects, {Filtered.BLANK: int(blank.sum())}, lines.height)


def physical_lines(text: str) -> pl.DataFrame:
    """``line`` (from 1) and ``raw`` by LF, CRLF or, where a file has no LF, CR; a final line end begins no line."""
    return _without_cr(_lines(text))


def _lines(text: str) -> pl.DataFrame:
    """Physical lines that still have the CR of their CRLF, which belongs to the text inside a quoted field."""
    if "\n" not in text:
        text = text.replace("\r", "\n")
    if not text:
        return pl.DataFrame(schema={LINE: pl.Int64, RAW: pl.String})
    return (
        pl.DataFrame({RAW: [text.removesuffix("\n")]})
        .select(pl.col(RAW).str.split("\n"))
        .explode(RAW)
        .with_row_index(LINE, offset=1)
        .with_columns(pl.col(LINE).cast(pl.Int64))
    )


def _without_cr(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.with_columns(pl.col(RAW).str.strip_suffix("\r"))


def _logical_lines(text: str, layout: Layout) -> pl.DataFrame:
    """Physical lines joined where a quoted field spans them: ``line`` is the first one's number.

    A line opens a quoted field when the quotes up to and including it are odd in number. When the file ends inside
    one, its opening line and all that follow stay single lines, so that one lost quote swallows nothing.
    """
    lines = _lines(text)
    if not layout.quoted or lines.is_empty():
        return _without_cr(lines)
    quotes = pl.col(RAW).str.count_matches('"', literal=True).cast(pl.Int64)
    counted = lines.with_columns((quotes.cum_sum() % 2 == 1).alias(_OPEN))
    if counted[_OPEN].item(-1):
        closed = counted.filter(~pl.col(_OPEN))[LINE]
        last_closed = closed.max() if len(closed) else 0
        counted = counted.with_columns(pl.col(_OPEN) & (pl.col(LINE) <= last_closed))
    if not counted[_OPEN].any():
        return _without_cr(lines)
    record = (~pl.col(_OPEN).shift(1, fill_value=False)).cum_sum()
    return _joined(counted.with_columns(record.alias(_RECORD)), layout)


def _joined(lines: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """One row per logical line. Line ends belong to fields that are quoted from end to end and to no others.

    Two lost quotes, or two inches in names, look like one field that holds all lines between them; such lines stay
    single, so that no record disappears into its neighbour's field.
    """
    mark = _escaped(layout.delimiter)
    one_line = rf'(?:"[^"\n]*"|[^{mark}"\n]+)*'
    whole = rf'^(?:{mark}(?:[ ]*"(?:[^"]|"")*"[ ]*|{one_line}))*$'
    records = _without_cr(
        lines.group_by(_RECORD, maintain_order=True).agg(pl.col(LINE).first(), pl.col(RAW).str.join("\n"))
    )
    sound = ~pl.col(RAW).str.contains("\n", literal=True) | (pl.lit(layout.delimiter) + pl.col(RAW)).str.contains(whole)
    kept = records.filter(sound)
    single = _without_cr(lines.join(kept, on=_RECORD, how="anti"))
    return pl.concat([kept.select(LINE, RAW), single.select(LINE, RAW)]).sort(LINE)


def _split(lines: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Adds the list of raw fields, each beginning with the delimiter, their number, and whether they are all of it.

    Every field matches ``delimiter, then quoted parts or anything but delimiter and quote``; what is left unmatched
    is a quote that is never closed.
    """
    mark = _escaped(layout.delimiter)
    field = rf'{mark}(?:"[^"]*"|[^{mark}"]+)*' if layout.quoted else rf"{mark}[^{mark}]*"
    text = pl.lit(layout.delimiter) + pl.col(RAW)
    return lines.with_columns(text.str.extract_all(field).alias(_FIELDS)).with_columns(
        pl.col(_FIELDS).list.len().alias(_WIDTH),
        (pl.col(_FIELDS).list.join("").str.len_bytes() == text.str.len_bytes()).alias("__whole"),
    )


def _escaped(delimiter: str) -> str:
    """The delimiter in a regular expression, whatever character it is."""
    return rf"\x{{{ord(delimiter):x}}}"


def _header_names(header: pl.DataFrame, layout: Layout) -> tuple[str, ...]:
    """Names of the columns. What stands in the line is not repeated in errors: it may be a record's."""
    split = _split(header, layout)
    raw: str = header[RAW].item()
    if not split["__whole"].item() or "\n" in raw or "\r" in raw:
        raise UnreadableUpload(
            "the header is not one line of names: a quote is never closed, or line ends of two kinds are mixed",
            hint="check the first line of the file",
        )
    texts = [field[1:].strip().strip('"') for field in split[_FIELDS].item().to_list()]
    names = [column_name(text) or f"column_{number}" for number, text in enumerate(texts, start=1)]
    twice = [str(number) for number, name in enumerate(names, start=1) if names.count(name) > 1]
    if twice:
        raise UnreadableUpload(
            f"the header names a column twice: columns {', '.join(twice)}", hint="give each column its own name"
        )
    return tuple(names)


def _type_rows(lines: pl.DataFrame, layout: Layout) -> int:
    """How many of the lines that may state types do; a file without them begins with records at once."""
    mark = _escaped(layout.delimiter)
    stated = lines[RAW].str.contains(rf"^{_TYPE}(?:{mark}{_TYPE})*$")
    return int(stated.cast(pl.Int64).cum_min().sum())


def _faults(layouts: Sequence[tuple[str, ...]]) -> list[Fault]:
    widths = sorted({len(names) for names in layouts})
    return [
        Fault("", Reject.NUL_CHARACTER, pl.col(RAW).str.contains("\x00", literal=True)),
        Fault("", Reject.BROKEN_QUOTE, ~pl.col("__whole")),
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
