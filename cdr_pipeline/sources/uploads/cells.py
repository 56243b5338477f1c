"""Splits logical lines into cells without their quotes, and rejects lines of the wrong width or with broken quotes.

Most lines are regular. Polars' CSV reader parses them, with a mark at the end of each line that shows rows of another
width. A regular expression splits the remaining lines.
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW, CheckedRows
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.records.rejection import RowFault, split_rejects
from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.sources.uploads.lines import escaped

FIELDS: Final = "__fields"
WIDTH: Final = "__width"
WHOLE: Final = "__whole"
_MORE: Final = "more"
# End mark of every line that is passed to the CSV reader. Lines that contain it are not passed to the reader.
_END: Final = "\x1e"
_BLANKS: Final = " \t\r\n"
_ASCII: Final = 128


def cells(lines: pl.DataFrame, layouts: Sequence[tuple[str, ...]], layout: Layout) -> CheckedRows:
    """Rows with one text column per source column, and rejected lines.

    If rows differ in width, the result has the union of their columns.

    Args:
        lines: logical lines with columns ``line`` and ``raw``.
        layouts: names of the columns, one list for each width that may occur.
        layout: how cells are written.
    """
    if lines.is_empty():
        columns = dict.fromkeys((name for names in layouts for name in names), pl.String())
        empty = pl.DataFrame(schema={LINE: pl.Int64(), RAW: pl.String(), **columns})
        return split_rejects(empty, [])
    parts: list[pl.DataFrame] = []
    rest = lines
    if _is_plain(layout):
        for names in layouts:
            rows = _regular(rest, names, layout)
            if not rows.is_empty():
                parts.append(rows)
                left = rows.height < rest.height
                rest = (
                    rest.join(rows.select(LINE), on=LINE, how="anti", maintain_order="left") if left else rest.clear()
                )
    if rest.is_empty():
        return split_rejects(_together(parts), [])
    split = split_line(rest, layout)
    if layout.repair:
        split = _repaired(split, layout, layouts)
    sifted = split_rejects(split, _faults(layouts, more=layout.more_columns))
    parts += _named(sifted.rows, layouts, layout)
    return CheckedRows(_together(parts), sifted.rejects)


def split_line(lines: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Adds the list of raw fields, each beginning with the delimiter, their number, and whether they cover the line.

    Every field matches ``delimiter, then quoted parts or anything but delimiter and quote``. Text that no field
    matches begins with an unclosed quote.
    """
    mark = escaped(layout.delimiter)
    escape = escaped(layout.escape) if layout.escape else ""
    literal = rf"(?s:{escape}.)|" if escape else ""
    field = (
        rf'{mark}(?:{literal}"[^"]*"|[^{mark}{escape}"]+)*'
        if layout.quoted
        else rf"{mark}(?:{literal}[^{mark}{escape}])*"
    )
    inner = pl.col(RAW).str.extract(layout.unwrap, 1).fill_null("") if layout.unwrap else pl.col(RAW)
    if layout.doubled:
        inner = inner.str.replace_all('""', '"', literal=True)
    if layout.squeeze:
        inner = inner.str.strip_chars(f"{layout.delimiter} \t").str.replace_all(f"(?:{mark})+", layout.delimiter)
    text = pl.lit(layout.delimiter) + inner
    return lines.with_columns(text.str.extract_all(field).alias(FIELDS)).with_columns(
        pl.col(FIELDS).list.len().alias(WIDTH),
        (pl.col(FIELDS).list.join("").str.len_bytes() == text.str.len_bytes()).alias(WHOLE),
    )


def blank_as_null(text: pl.Expr, layout: Layout) -> pl.Expr:
    """A value without blanks around it; "" and the profile's ``nulls`` become null."""
    return _nothing_as_null(text.str.strip_chars(_BLANKS), layout)


def _nothing_as_null(value: pl.Expr, layout: Layout) -> pl.Expr:
    empty = value == ""
    return pl.when(~(empty | value.is_in(layout.nulls) if layout.nulls else empty)).then(value)


def _is_plain(layout: Layout) -> bool:
    """Whether the CSV reader can parse the layout's regular lines."""
    special = layout.escape or layout.unwrap or layout.squeeze or layout.skip_space or layout.more_columns
    return not special and ord(layout.delimiter) < _ASCII and layout.delimiter != _END


def _regular(lines: pl.DataFrame, names: Sequence[str], layout: Layout) -> pl.DataFrame:
    """Rows of the lines that are regular and have exactly these columns."""
    mark = escaped(layout.delimiter)
    raw = lines[RAW]
    odd = raw.str.contains_any(["\x00", _END])
    if layout.quoted:
        quotes = raw.str.contains('"', literal=True)
        if quotes.any():
            field = rf'(?:"[^"]*(?:""[^"]*)*"|[^{mark}"]*)'
            odd |= quotes & ~raw.str.contains(rf"^{field}(?:{mark}{field})*$")
        odd |= raw.str.contains("\n", literal=True)
    sound = lines
    if odd.any():
        sound = lines.filter(~odd)
        if sound.is_empty():
            return sound
    # The reader takes the number of columns from the first line, so a generated one comes first.
    first = layout.delimiter * len(names) + _END + "\n"
    last = layout.delimiter + _END
    text = first + sound[RAW].str.join(last + "\n").item() + last
    columns = [*(f"c{number}" for number in range(len(names))), _END]
    table = pl.read_csv(
        text.encode(),
        has_header=False,
        separator=layout.delimiter,
        quote_char='"' if layout.quoted else None,
        schema=dict.fromkeys(columns, pl.String()),
        truncate_ragged_lines=True,
    ).slice(1)
    if table.height != sound.height:
        # Not known to occur. The regular expression handles all lines.
        return sound.clear()
    complete = (table[_END] == _END).fill_null(value=False)
    # In two steps, because one expression would strip each value once for every use of the result.
    stripped = _stripped(table.select(columns[:-1]).rename(dict(zip(columns[:-1], names, strict=True))), sound[RAW])
    values = stripped.select(_nothing_as_null(pl.col(name), layout) for name in names)
    rows = pl.concat([sound.select(LINE, RAW), values], how="horizontal")
    return rows if complete.all() else rows.filter(complete)


def _stripped(table: pl.DataFrame, raw: pl.Series) -> pl.DataFrame:
    """The values without blanks around them. Few columns have any, and to look for them is faster than to strip."""
    if raw.str.contains_any(["\t", "\r"]).any():
        return table.select(pl.all().str.strip_chars(_BLANKS))
    padded = table.select((pl.all().str.starts_with(" ") | pl.all().str.ends_with(" ")).any()).row(0)
    return table.with_columns(
        column.str.strip_chars(_BLANKS) for column, has_blanks in zip(table, padded, strict=True) if has_blanks
    )


def _together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows of all parts in the order of the lines, with the union of the columns."""
    if len(parts) == 1:
        return parts[0]
    return pl.concat(parts, how="diagonal").sort(LINE)


def _faults(layouts: Sequence[tuple[str, ...]], *, more: bool) -> list[RowFault]:
    widths = sorted({len(names) for names in layouts})
    right = pl.col(WIDTH) >= widths[0] if more else pl.col(WIDTH).is_in(widths)
    return [
        RowFault("", Reject.NUL_CHARACTER, pl.col(RAW).str.contains("\x00", literal=True)),
        RowFault("", Reject.BROKEN_QUOTE, ~pl.col(WHOLE)),
        RowFault("", Reject.RAGGED_ROW, ~right),
    ]


def _named(rows: pl.DataFrame, layouts: Sequence[tuple[str, ...]], layout: Layout) -> list[pl.DataFrame]:
    """Rows with one text column per source column, one frame for each width."""
    if layout.more_columns:
        (names,) = layouts
        rest = pl.col(FIELDS).list.slice(len(names)).list.join("").str.slice(1)
        values = (_value(number, layout).alias(name) for number, name in enumerate(names))
        return [rows.select(LINE, RAW, *values, pl.when(rest != "").then(rest).alias(_MORE))]
    return [
        rows.filter(pl.col(WIDTH) == len(names)).select(
            LINE, RAW, *(_value(number, layout).alias(name) for number, name in enumerate(names))
        )
        for names in layouts
    ]


def _value(number: int, layout: Layout) -> pl.Expr:
    """A field without its delimiter and quotes."""
    field = pl.col(FIELDS).list.get(number, null_on_oob=True).str.slice(1)
    trimmed = field.str.strip_chars(_BLANKS) if layout.skip_space or not layout.quoted else field
    if layout.quoted:
        whole = trimmed.str.contains(r'^"(?:[^"]|"")*"$')
        inner = trimmed.str.slice(1, trimmed.str.len_chars() - 2).str.replace_all('""', '"', literal=True)
        trimmed = pl.when(whole).then(inner).otherwise(trimmed)
    if layout.escape:
        trimmed = trimmed.str.replace_all(rf"(?s){escaped(layout.escape)}(.)", "$1")
    return blank_as_null(trimmed, layout)


def _repaired(split: pl.DataFrame, layout: Layout, layouts: Sequence[tuple[str, ...]]) -> pl.DataFrame:
    """Repairs rows that are too wide because a value contains the delimiter, if only one column can contain it.

    The fields before and after that column are counted from the ends of the row. A repair is accepted if the value of
    every column in ``shapes`` matches its shape.
    """
    (names,) = layouts
    surplus = pl.col(WIDTH).cast(pl.Int64) - len(names)
    repairs: list[pl.Expr] = []
    for column in layout.repair:
        index = names.index(column)
        middle = pl.col(FIELDS).list.slice(index, surplus + 1).list.join("")
        repaired = pl.concat_list(
            pl.col(FIELDS).list.head(index), middle, pl.col(FIELDS).list.slice(pl.lit(index) + surplus + 1)
        )
        fits = [
            repaired.list.get(names.index(other), null_on_oob=True).str.slice(1).str.contains(shape)
            for other, shape in layout.shapes.items()
        ]
        repairs.append(pl.when(pl.all_horizontal(fits)).then(repaired))
    wide = split.filter(surplus > 0)
    if wide.is_empty():
        return split
    rows = wide.with_columns(
        pl.coalesce(repairs).alias("__repaired"),
        pl.sum_horizontal(repair.is_not_null().cast(pl.Int64) for repair in repairs).alias("__ways"),
    ).with_columns(
        pl.when(pl.col("__ways") == 1).then("__repaired").otherwise(FIELDS).alias(FIELDS),
        pl.when(pl.col("__ways") == 1).then(pl.lit(len(names), pl.UInt32)).otherwise(WIDTH).alias(WIDTH),
    )
    return pl.concat([split.filter(surplus <= 0), rows.select(split.columns)]).sort(LINE)
