"""Lines of a file to raw rows, every one accounted for. Columnar: no loop over lines."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW, CheckedRows
from cdr_pipeline.core.records.reasons import Filtered, Reject
from cdr_pipeline.core.records.rejection import RowFault, split_rejects
from cdr_pipeline.core.uploads.profile import Layout, column_name
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.cells import FIELDS, WHOLE, blank_as_null, cells, split_line
from cdr_pipeline.sources.uploads.lines import escaped, logical_lines, physical_lines

# A header of more columns is no header: a file without line ends, or an attack.
_MOST_COLUMNS: Final = 2_000
ASIDE_SCHEMA: Final[dict[str, pl.DataType]] = {LINE: pl.Int64(), "kind": pl.String()}
# A column type as SQL writes it: INTEGER, VARCHAR(50), DECIMAL(10,2).
_TYPE: Final = r'[ ]*"?[A-Za-z][A-Za-z_ ]*(?:\([0-9, ]*\))?"?[ ]*'


@dataclass(frozen=True, slots=True)
class RawRecords:
    """Lines by what became of them: ``read = frame + rejects + aside``.

    Attributes:
        frame: ``line``, ``raw`` and one text column per source column, lower-case names; one row per record.
        rejects: refused lines.
        aside: ``line, kind`` of lines that are no records.
        read: logical lines; a quoted field may hold physical line ends.
        stated: what header or trailer lines state as totals, group of the profile's expression to text.
    """

    frame: pl.DataFrame
    rejects: pl.DataFrame
    aside: pl.DataFrame
    read: int
    stated: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def filtered(self) -> Counter[Filtered]:
        """Lines that are no records, by kind."""
        return Counter(map(Filtered, self.aside["kind"]))


def filtered_lines(lines: pl.DataFrame, kind: Filtered) -> pl.DataFrame:
    """Lines as ``RawRecords.aside`` has them."""
    return lines.select(LINE, pl.lit(kind.value).alias("kind"))


def delimited_records(text: str, layout: Layout) -> RawRecords:
    """Rows of delimited or fixed-width text in one piece; see ``LineRecords``.

    Raises:
        UnreadableUpload: the header cannot be read as one line of names, or names a column twice.
    """
    return LineRecords(layout).block(logical_lines(text, layout))


class LineRecords:
    """Reads a file of lines block by block.

    A row with another number of fields than its layout is a reject, never padded or cut; so is one with a quote that
    is opened and not closed. A field that is quoted in part (``"Name" <100>``) is kept as it stands.

    Args:
        layout: of the text.
        control_line: expression of lines with totals; they are filtered as footers.

    Attributes:
        names: of the columns, once a header has stated them.
    """

    def __init__(self, layout: Layout, control_line: str = "") -> None:
        self._layout = layout
        self._control_line = control_line
        self._titles_left = layout.preamble
        self._types_left = layout.type_rows
        self.names: tuple[str, ...] | None = None

    def block(self, lines: pl.DataFrame) -> RawRecords:
        """Rows of a block of logical lines, ``line`` and ``raw``, that follows the one before.

        Raises:
            UnreadableUpload: the header cannot be read as one line of names, or names a column twice.
        """
        layout, read = self._layout, lines.height
        aside: list[pl.DataFrame] = []

        def without(found: pl.Series, kind: Filtered) -> pl.DataFrame:
            if not found.any():
                return lines
            aside.append(filtered_lines(lines.filter(found), kind))
            return lines.filter(~found)

        lines = without(lines[RAW].str.strip_chars() == "", Filtered.BLANK)
        titles = min(self._titles_left, lines.height)
        self._titles_left -= titles
        lines = without(_first(lines, titles), Filtered.PREAMBLE)
        stated: dict[str, str] = {}
        if self._control_line:
            found = lines[RAW].str.contains(self._control_line)
            stated = self._stated(lines.filter(found))
            lines = without(found, Filtered.FOOTER)
        for kind, patterns in ((Filtered.RECORD_TYPE, layout.skip), (Filtered.FOOTER, layout.footer)):
            for pattern in patterns:
                lines = without(lines[RAW].str.contains(pattern), kind)
        if layout.format == "delimited" and layout.header and self.names is None and not lines.is_empty():
            self.names = _header_names(lines.head(1), layout)
            lines = without(_first(lines, 1), Filtered.HEADER)
        if self.names is not None and self._types_left and not lines.is_empty():
            types = _type_rows(lines.head(self._types_left), layout)
            # The first line that states no types ends them.
            self._types_left = self._types_left - types if types == lines.height else 0
            lines = without(_first(lines, types), Filtered.TYPE_ROW)
        sifted = self._rows(lines)
        return RawRecords(
            sifted.rows, sifted.rejects, pl.concat(aside) if aside else pl.DataFrame(schema=ASIDE_SCHEMA), read, stated
        )

    def _stated(self, lines: pl.DataFrame) -> dict[str, str]:
        stated: dict[str, str] = {}
        for row in lines.select(pl.col(RAW).str.extract_groups(self._control_line)).to_series().to_list():
            stated |= {name: value for name, value in row.items() if value is not None}
        return stated

    def _rows(self, lines: pl.DataFrame) -> CheckedRows:
        layout = self._layout
        if layout.format == "fixed":
            return _fixed(lines, layout)
        header = () if self.names is None else self.names
        return cells(lines, [header] if layout.header else layout.columns, layout)


def rejected_lines(text: str, reason: Reject) -> RawRecords:
    """Every physical line of a text that is not records at all, as rejects of one reason, blank ones filtered."""
    lines = physical_lines(text)
    blank = lines[RAW].str.strip_chars() == ""
    rejects = lines.filter(~blank).select(LINE, pl.lit("").alias("field"), pl.lit(reason.value).alias("reason"), RAW)
    frame = pl.DataFrame(schema={LINE: pl.Int64, RAW: pl.String})
    return RawRecords(frame, rejects, filtered_lines(lines.filter(blank), Filtered.BLANK), lines.height)


def _first(lines: pl.DataFrame, number: int) -> pl.Series:
    """Whether a line is one of the first so many."""
    return pl.int_range(lines.height, eager=True) < number


def _fixed(lines: pl.DataFrame, layout: Layout) -> CheckedRows:
    """Rows of fixed-width text; a line that ends before its last column begins is ragged."""
    shortest = max(start for start, _ in layout.widths.values())
    sifted = split_rejects(
        lines,
        [
            RowFault("", Reject.NUL_CHARACTER, pl.col(RAW).str.contains("\x00", literal=True)),
            RowFault("", Reject.RAGGED_ROW, pl.col(RAW).str.len_chars() < shortest),
        ],
    )
    cut = {name: pl.col(RAW).str.slice(start - 1, length) for name, (start, length) in layout.widths.items()}
    values = (blank_as_null(text, layout).alias(name) for name, text in cut.items())
    return CheckedRows(sifted.rows.select(LINE, RAW, *values), sifted.rejects)


def _header_names(header: pl.DataFrame, layout: Layout) -> tuple[str, ...]:
    """Names of the columns. What stands in the line is not repeated in errors: it may be a record's."""
    split = split_line(header, layout)
    raw: str = header[RAW].item()
    if not split[WHOLE].item() or "\n" in raw or "\r" in raw or "\x00" in raw:
        raise UnreadableUpload(
            "the header is not one line of names: a quote is never closed, or line ends of two kinds are mixed",
            hint="check the first line of the file",
        )
    texts = [text[1:].strip().strip('"') for text in split[FIELDS].item().to_list()]
    if len(texts) > _MOST_COLUMNS:
        raise UnreadableUpload(f"the first line has more than {_MOST_COLUMNS} columns", hint="check its delimiter")
    names = [column_name(text) or f"column_{number}" for number, text in enumerate(texts, start=1)]
    times = Counter(names)
    twice = [str(number) for number, name in enumerate(names, start=1) if times[name] > 1]
    if twice:
        raise UnreadableUpload(
            f"the header names a column twice: columns {', '.join(twice)}", hint="give each column its own name"
        )
    return tuple(names)


def _type_rows(lines: pl.DataFrame, layout: Layout) -> int:
    """How many of the lines that may state types do; a file without them begins with records at once."""
    mark = escaped(layout.delimiter)
    stated = lines[RAW].str.contains(rf"^{_TYPE}(?:{mark}{_TYPE})*$")
    return int(stated.cast(pl.Int64).cum_min().sum())
