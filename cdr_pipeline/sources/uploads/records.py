"""Text of a file to raw rows, with every logical line accounted for. Columnar: no loop over lines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Final

import polars as pl

from cdr_pipeline.core.profile import Layout, column_name
from cdr_pipeline.core.reasons import Filtered, Reject
from cdr_pipeline.core.rejection import Fault, sift
from cdr_pipeline.core.schemas import LINE, RAW
from cdr_pipeline.errors import UnreadableUpload

# Characters that are worked on at once; no record is longer than a line may be, and no quoted field than this.
_BLOCK: Final = 8 * 1024**2
_LONGEST_LINE: Final = 32 * 1024**2
_LONGEST_FIELD: Final = 1024**2
_FIELDS: Final = "__fields"
_WIDTH: Final = "__width"
_OPEN: Final = "__open"
_MORE: Final = "more"
_RECORD: Final = "__record"
# A column type as SQL writes it: INTEGER, VARCHAR(50), DECIMAL(10,2).
_TYPE: Final = r'[ ]*"?[A-Za-z][A-Za-z_ ]*(?:\([0-9, ]*\))?"?[ ]*'


@dataclass(frozen=True, slots=True)
class RawRecords:
    """Lines by what became of them: ``read = frame + rejects + filtered``.

    Attributes:
        frame: ``line``, ``raw`` and one text column per source column, lower-case names; one row per record.
        rejects: refused lines.
        filtered: lines that are no records, by kind.
        read: logical lines; a quoted field may hold physical line ends.
        stated: what header or trailer lines state as totals, group of the profile's expression to text.
    """

    frame: pl.DataFrame
    rejects: pl.DataFrame
    filtered: dict[Filtered, int]
    read: int
    stated: dict[str, str] = dataclass_field(default_factory=dict[str, str])


def delimited_records(text: str, layout: Layout) -> RawRecords:
    """Rows of delimited or fixed-width text in one piece; see ``LineRecords``.

    Raises:
        UnreadableUpload: the header cannot be read as one line of names, or names a column twice.
    """
    return LineRecords(layout).block(text, 1)


def blocks(pieces: Iterable[str], *, quoted: bool) -> Iterator[tuple[str, int]]:
    """A text in blocks that end with a record, each with the number of its first physical line.

    Args:
        pieces: the text, cut anywhere.
        quoted: line ends within quotes end no record.

    Raises:
        UnreadableUpload: a line is longer than any record can be.
    """
    held, line, only_cr = "", 1, None
    for piece in pieces:
        if only_cr is None and piece:
            only_cr = "\n" not in piece and "\r" in piece
        held += piece.replace("\r", "\n") if only_cr else piece
        if len(held) < _BLOCK:
            continue
        end = _end_of_records(held, quoted=quoted)
        if end:
            yield held[:end], line
            line += held.count("\n", 0, end)
            held = held[end:]
        elif len(held) > _LONGEST_LINE:
            raise UnreadableUpload(f"line {line} has more than {_LONGEST_LINE // 1024**2} Mi characters")
    if held or line == 1:
        yield held, line


def _end_of_records(text: str, *, quoted: bool) -> int:
    """Where the last whole record of a text ends, 0 when none does.

    Where the quotes before the last line end are odd in number, a field is open; it began at the last quote, unless
    that is so far back that the quote was simply lost: one lost quote must not hold the rest of the file.
    """
    end = text.rfind("\n") + 1
    if not quoted or text.count('"', 0, end) % 2 == 0:
        return end
    before = text.rfind("\n", 0, text.rfind('"', 0, end)) + 1
    return end if end - before > _LONGEST_FIELD else before


class LineRecords:
    """Reads a file of lines block by block.

    A row with another number of fields than its layout is a reject, never padded or cut; so is one with a quote that
    is opened and not closed. A field that is quoted in part (``"Name" <100>``) is kept as it stands.

    Args:
        layout: of the text.
        control_line: expression of lines with totals; they are filtered as footers.
    """

    def __init__(self, layout: Layout, control_line: str = "") -> None:
        self._layout = layout
        self._control_line = control_line
        self._preamble = layout.preamble
        self._names: tuple[str, ...] | None = None

    def block(self, text: str, first_line: int) -> RawRecords:
        """Rows of a block that begins with a record and ends with one.

        Raises:
            UnreadableUpload: the header cannot be read as one line of names, or names a column twice.
        """
        layout = self._layout
        lines = logical_lines(text, layout).with_columns(pl.col(LINE) + (first_line - 1))
        read = lines.height
        blank = lines[RAW].str.strip_chars() == ""
        filtered = {Filtered.BLANK: int(blank.sum())}
        lines = lines.filter(~blank)
        if self._preamble:
            titles = min(self._preamble, lines.height)
            self._preamble -= titles
            filtered[Filtered.PREAMBLE] = titles
            lines = lines.slice(titles)
        lines, stated = self._without_totals(lines, filtered)
        for kind, patterns in ((Filtered.RECORD_TYPE, layout.skip), (Filtered.FOOTER, layout.footer)):
            for pattern in patterns:
                found = lines[RAW].str.contains(pattern)
                filtered[kind] = filtered.get(kind, 0) + int(found.sum())
                lines = lines.filter(~found)
        if layout.format == "delimited" and layout.header and self._names is None and not lines.is_empty():
            self._names = _header_names(lines.head(1), layout)
            type_rows = _type_rows(lines.slice(1, layout.type_rows), layout)
            filtered |= {Filtered.HEADER: 1, Filtered.TYPE_ROW: type_rows}
            lines = lines.slice(1 + type_rows)
        frame, rejects = self._rows(lines)
        return RawRecords(frame, rejects, filtered, read, stated)

    def _without_totals(
        self, lines: pl.DataFrame, filtered: dict[Filtered, int]
    ) -> tuple[pl.DataFrame, dict[str, str]]:
        if not self._control_line or lines.is_empty():
            return lines, {}
        found = lines[RAW].str.contains(self._control_line)
        groups = lines.filter(found).select(pl.col(RAW).str.extract_groups(self._control_line)).to_series()
        filtered[Filtered.FOOTER] = filtered.get(Filtered.FOOTER, 0) + int(found.sum())
        stated: dict[str, str] = {}
        for row in groups.to_list():
            stated |= {name: value for name, value in row.items() if value is not None}
        return lines.filter(~found), stated

    def _rows(self, lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        layout = self._layout
        if layout.format == "fixed":
            return _fixed(lines, layout)
        header = () if self._names is None else self._names
        layouts = [header] if layout.header else [tuple(columns) for columns in layout.columns]
        split = _split(lines, layout)
        if layout.repair and not split.is_empty():
            split = _repaired(split, layout, layouts)
        sifted = sift(split, _faults(layouts, more=layout.more_columns))
        return _named(sifted.rows, layouts, layout), sifted.rejects


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


def logical_lines(text: str, layout: Layout) -> pl.DataFrame:
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


def _fixed(lines: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of fixed-width text; a line that ends before its last column begins is ragged."""
    shortest = max(start for start, _ in layout.widths.values())
    sifted = sift(
        lines,
        [
            Fault("", Reject.NUL_CHARACTER, pl.col(RAW).str.contains("\x00", literal=True)),
            Fault("", Reject.RAGGED_ROW, pl.col(RAW).str.len_chars() < shortest),
        ],
    )
    cut = {name: pl.col(RAW).str.slice(start - 1, length) for name, (start, length) in layout.widths.items()}
    values = {name: _nothing_is_null(text, layout).alias(name) for name, text in cut.items()}
    return sifted.rows.select(LINE, RAW, *values.values()), sifted.rejects


def _repaired(split: pl.DataFrame, layout: Layout, layouts: Sequence[tuple[str, ...]]) -> pl.DataFrame:
    """Rows that are too wide because a value holds the delimiter, mended where only one column can hold it.

    What is left and right of that column is counted from the ends of the row; the mending is right when every column
    that has a known shape has it.
    """
    (names,) = layouts
    surplus = pl.col(_WIDTH).cast(pl.Int64) - len(names)
    mendings: list[pl.Expr] = []
    for column in layout.repair:
        place = names.index(column)
        middle = pl.col(_FIELDS).list.slice(place, surplus + 1).list.join("")
        mended = pl.concat_list(
            pl.col(_FIELDS).list.head(place), middle, pl.col(_FIELDS).list.slice(pl.lit(place) + surplus + 1)
        )
        fits = [
            mended.list.get(names.index(other), null_on_oob=True).str.slice(1).str.contains(shape)
            for other, shape in layout.shapes.items()
        ]
        mendings.append(pl.when(pl.all_horizontal(fits)).then(mended))
    wide = split.filter(surplus > 0)
    if wide.is_empty():
        return split
    found = wide.with_columns(
        pl.coalesce(mendings).alias("__mended"),
        pl.sum_horizontal(mending.is_not_null().cast(pl.Int64) for mending in mendings).alias("__ways"),
    ).with_columns(
        pl.when(pl.col("__ways") == 1).then("__mended").otherwise(_FIELDS).alias(_FIELDS),
        pl.when(pl.col("__ways") == 1).then(pl.lit(len(names), pl.UInt32)).otherwise(_WIDTH).alias(_WIDTH),
    )
    return pl.concat([split.filter(surplus <= 0), found.select(split.columns)]).sort(LINE)


def _split(lines: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Adds the list of raw fields, each beginning with the delimiter, their number, and whether they are all of it.

    Every field matches ``delimiter, then quoted parts or anything but delimiter and quote``; what is left unmatched
    is a quote that is never closed.
    """
    mark = _escaped(layout.delimiter)
    escape = _escaped(layout.escape) if layout.escape else ""
    escaped = rf"{escape}.|" if escape else ""
    field = (
        rf'{mark}(?:{escaped}"[^"]*"|[^{mark}{escape}"]+)*'
        if layout.quoted
        else rf"{mark}(?:{escaped}[^{mark}{escape}])*"
    )
    inner = pl.col(RAW).str.extract(layout.unwrap, 1).fill_null("") if layout.unwrap else pl.col(RAW)
    text = pl.lit(layout.delimiter) + inner
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


def _faults(layouts: Sequence[tuple[str, ...]], *, more: bool) -> list[Fault]:
    widths = sorted({len(names) for names in layouts})
    right = pl.col(_WIDTH) >= widths[0] if more else pl.col(_WIDTH).is_in(widths)
    return [
        Fault("", Reject.NUL_CHARACTER, pl.col(RAW).str.contains("\x00", literal=True)),
        Fault("", Reject.BROKEN_QUOTE, ~pl.col("__whole")),
        Fault("", Reject.RAGGED_ROW, ~right),
    ]


def _named(rows: pl.DataFrame, layouts: Sequence[tuple[str, ...]], layout: Layout) -> pl.DataFrame:
    """One text column per source column; files whose rows differ in width get the union of their columns."""
    if rows.is_empty():
        columns = dict.fromkeys((name for names in layouts for name in names), pl.String())
        return pl.DataFrame(schema={LINE: pl.Int64(), RAW: pl.String(), **columns})
    if layout.more_columns:
        (names,) = layouts
        rest = pl.col(_FIELDS).list.slice(len(names)).list.join("").str.slice(1)
        values = (_value(number, layout).alias(name) for number, name in enumerate(names))
        return rows.select(LINE, RAW, *values, pl.when(rest != "").then(rest).alias(_MORE))
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
    if layout.escape:
        trimmed = trimmed.str.replace_all(rf"{_escaped(layout.escape)}(.)", "$1")
    return _nothing_is_null(trimmed, layout)


def _nothing_is_null(text: pl.Expr, layout: Layout) -> pl.Expr:
    value = text.str.strip_chars(" \t\r\n")
    return pl.when(~value.is_in(["", *layout.nulls])).then(value)
