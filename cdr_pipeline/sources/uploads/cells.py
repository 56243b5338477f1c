"""Logical lines to cells: rows of the right width, each value without its quotes, the others with what is wrong.

Almost every line of almost every file is sound: a reader of CSV takes those, with a mark behind each by which a row of
another width shows. The rest is taken apart by an expression that forgives what must be forgiven and nothing else.
"""

import io
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
# Stands behind every line that the CSV reader gets; lines that hold one themselves it does not get.
_END: Final = "\x1e"
_BLANKS: Final = " \t\r\n"
_ASCII: Final = 128


def cells(lines: pl.DataFrame, layouts: Sequence[tuple[str, ...]], layout: Layout) -> CheckedRows:
    """Rows with one text column per source column, and refused lines.

    A file whose rows differ in width gets the union of their columns.

    Args:
        lines: ``line`` and ``raw``.
        layouts: names of the columns, a list for each width that may occur.
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
            found = _regular(rest, names, layout)
            if not found.is_empty():
                parts.append(found)
                left = found.height < rest.height
                rest = (
                    rest.join(found.select(LINE), on=LINE, how="anti", maintain_order="left") if left else rest.clear()
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
    """Adds the list of raw fields, each beginning with the delimiter, their number, and whether they are all of it.

    Every field matches ``delimiter, then quoted parts or anything but delimiter and quote``; what is left unmatched
    is a quote that is never closed.
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
    text = pl.lit(layout.delimiter) + inner
    return lines.with_columns(text.str.extract_all(field).alias(FIELDS)).with_columns(
        pl.col(FIELDS).list.len().alias(WIDTH),
        (pl.col(FIELDS).list.join("").str.len_bytes() == text.str.len_bytes()).alias(WHOLE),
    )


def blank_as_null(text: pl.Expr, layout: Layout) -> pl.Expr:
    """A value without blanks around it; "" and the profile's nulls are null."""
    value = text.str.strip_chars(_BLANKS)
    empty = value == ""
    return pl.when(~(empty | value.is_in(layout.nulls) if layout.nulls else empty)).then(value)


def _is_plain(layout: Layout) -> bool:
    """Whether a reader of CSV understands the layout's sound lines."""
    special = layout.escape or layout.unwrap or layout.skip_space or layout.more_columns
    return not special and ord(layout.delimiter) < _ASCII and layout.delimiter != _END


def _regular(lines: pl.DataFrame, names: Sequence[str], layout: Layout) -> pl.DataFrame:
    """Rows of the lines that are sound and of just these columns."""
    mark = escaped(layout.delimiter)
    raw = lines[RAW]
    odd = raw.str.contains("\x00", literal=True) | raw.str.contains(_END, literal=True)
    if layout.quoted:
        field = rf'(?:"[^"]*(?:""[^"]*)*"|[^{mark}"]*)'
        quoted = raw.str.contains('"', literal=True)
        if quoted.any():
            odd |= quoted & ~raw.str.contains(rf"^{field}(?:{mark}{field})*$")
        odd |= raw.str.contains("\n", literal=True)
    sound = lines.filter(~odd) if odd.any() else lines
    if sound.is_empty():
        return sound
    text = (sound[RAW] + f"{layout.delimiter}{_END}").str.join("\n").item()
    # The reader takes the first line's number of columns for everybody's: one of ours says it.
    first = layout.delimiter * len(names) + _END + "\n"
    columns = [*(f"c{number}" for number in range(len(names))), _END]
    table = pl.read_csv(
        io.BytesIO((first + text).encode()),
        has_header=False,
        separator=layout.delimiter,
        quote_char='"' if layout.quoted else None,
        schema=dict.fromkeys(columns, pl.String()),
        truncate_ragged_lines=True,
    ).slice(1)
    if table.height != sound.height:
        # Never seen; the other way knows them all.
        return sound.clear()
    exact = (table[_END] == _END).fill_null(value=False)
    values = (blank_as_null(pl.col(f"c{n}"), layout).alias(name) for n, name in enumerate(names))
    rows = pl.concat([sound.select(LINE, RAW), table.select(values)], how="horizontal")
    return rows if exact.all() else rows.filter(exact)


def _together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows in their order, with the columns of all parts."""
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
    """One text column per source column, a frame for each width."""
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
    """Rows that are too wide because a value holds the delimiter, mended where only one column can hold it.

    What is left and right of that column is counted from the ends of the row; the mending is right when every column
    that has a known shape has it.
    """
    (names,) = layouts
    surplus = pl.col(WIDTH).cast(pl.Int64) - len(names)
    mendings: list[pl.Expr] = []
    for column in layout.repair:
        place = names.index(column)
        middle = pl.col(FIELDS).list.slice(place, surplus + 1).list.join("")
        mended = pl.concat_list(
            pl.col(FIELDS).list.head(place), middle, pl.col(FIELDS).list.slice(pl.lit(place) + surplus + 1)
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
        pl.when(pl.col("__ways") == 1).then("__mended").otherwise(FIELDS).alias(FIELDS),
        pl.when(pl.col("__ways") == 1).then(pl.lit(len(names), pl.UInt32)).otherwise(WIDTH).alias(WIDTH),
    )
    return pl.concat([split.filter(surplus <= 0), found.select(split.columns)]).sort(LINE)
