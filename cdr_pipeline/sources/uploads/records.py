"""Turns the lines of a file into raw rows and accounts for every line. Works on columns, without a loop over lines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import DAY, DETAIL, LINE, RAW, CheckedRows
from cdr_pipeline.core.records.reasons import Filtered, Reject
from cdr_pipeline.core.records.rejection import RowFault, split_rejects
from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.core.uploads.profile_values import column_name
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.cells import FIELDS, WHOLE, blank_as_null, cells, split_line
from cdr_pipeline.sources.uploads.lines import escaped, logical_lines, physical_lines

# A first line with more columns is not a header but a file without line ends, or an attack.
_MOST_COLUMNS: Final = 2_000
ASIDE_SCHEMA: Final[dict[str, pl.DataType]] = {LINE: pl.Int64(), "kind": pl.String()}
# A column type as SQL writes it: INTEGER, VARCHAR(50), DECIMAL(10,2).
_TYPE: Final = r'[ ]*"?[A-Za-z][A-Za-z_ ]*(?:\([0-9, ]*\))?"?[ ]*'


@dataclass(frozen=True, slots=True)
class RawRecords:
    """Lines by result: ``read = frame + rejects + aside``.

    Attributes:
        frame: one row per record, with ``line``, ``raw`` and one text column per source column in lower case.
        rejects: rejected lines.
        aside: ``line, kind`` of lines that are not records.
        read: number of logical lines; a quoted field may hold physical line ends.
        stated: totals in header or trailer lines: the text of each group of the profile's expression.
    """

    frame: pl.DataFrame
    rejects: pl.DataFrame
    aside: pl.DataFrame
    read: int
    stated: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def filtered(self) -> Counter[Filtered]:
        """Number of lines that are not records, by kind."""
        return Counter(map(Filtered, self.aside["kind"]))


def filtered_lines(lines: pl.DataFrame, kind: Filtered) -> pl.DataFrame:
    """Lines in the columns of ``RawRecords.aside``."""
    return lines.select(LINE, pl.lit(kind.value).alias("kind"))


def delimited_records(text: str, layout: Layout) -> RawRecords:
    """Reads delimited or fixed-width text in one piece; see ``LineRecords``.

    Raises:
        UnreadableUpload: the header cannot be read as one line of names, or names a column twice.
    """
    return LineRecords(layout).block(logical_lines(text, layout))


class LineRecords:
    """Reads a file of lines block by block.

    A row with a different number of fields than its layout is rejected, never padded or truncated. So is a row with an
    unclosed quote. A field that is quoted in part (``"Name" <100>``) stays unchanged.

    Args:
        layout: layout of the text.
        control_line: expression that matches lines with totals; they are filtered as footers.

    Attributes:
        names: names of the columns; None until a header was read.
    """

    def __init__(self, layout: Layout, control_line: str = "") -> None:
        self._layout = layout
        self._control_line = control_line
        self._titles_left = layout.preamble
        self._types_left = layout.type_rows
        self._header = ""
        self.names: tuple[str, ...] | None = None

    def block(self, lines: pl.DataFrame) -> RawRecords:
        """Reads the next block of logical lines, with columns ``line`` and ``raw``.

        Raises:
            UnreadableUpload: the header cannot be read as one line of names, or names a column twice.
        """
        layout, read = self._layout, lines.height
        aside: list[pl.DataFrame] = []

        def without(matches: pl.Series, kind: Filtered) -> pl.DataFrame:
            if not matches.any():
                return lines
            aside.append(filtered_lines(lines.filter(matches), kind))
            return lines.filter(~matches)

        lines = without(lines[RAW].str.strip_chars() == "", Filtered.BLANK)
        titles = min(self._titles_left, lines.height)
        self._titles_left -= titles
        lines = without(_first(lines, titles), Filtered.PREAMBLE)
        stated: dict[str, str] = {}
        if self._control_line:
            totals = lines[RAW].str.contains(self._control_line)
            stated = self._stated(lines.filter(totals))
            lines = without(totals, Filtered.FOOTER)
        for kind, patterns in ((Filtered.RECORD_TYPE, layout.skip), (Filtered.FOOTER, layout.footer)):
            for pattern in patterns:
                lines = without(lines[RAW].str.contains(pattern), kind)
        if layout.format == "delimited" and layout.header and self.names is None and not lines.is_empty():
            self.names = _header_names(lines.head(1), layout)
            self._header = lines[RAW].item(0)
        if self._header:
            # Also where a report repeats it on each page.
            lines = without(lines[RAW] == self._header, Filtered.HEADER)
        if self.names is not None and self._types_left and not lines.is_empty():
            types = _type_rows(lines.head(self._types_left), layout)
            # The first other line ends the type rows.
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
    """Rejects every physical line of a text that holds no records, for one reason. Blank lines are filtered."""
    lines = physical_lines(text)
    blank = lines[RAW].str.strip_chars() == ""
    rejects = lines.filter(~blank).select(
        LINE,
        pl.lit("").alias("field"),
        pl.lit(reason.value).alias("reason"),
        RAW,
        pl.lit(None, pl.String).alias(DETAIL),
        pl.lit(None, pl.Date).alias(DAY),
    )
    frame = pl.DataFrame(schema={LINE: pl.Int64, RAW: pl.String})
    return RawRecords(frame, rejects, filtered_lines(lines.filter(blank), Filtered.BLANK), lines.height)


def _first(lines: pl.DataFrame, number: int) -> pl.Series:
    """Whether a line is one of the first ``number`` lines."""
    return pl.int_range(lines.height, eager=True) < number


def _fixed(lines: pl.DataFrame, layout: Layout) -> CheckedRows:
    """Rows of fixed-width text. A line that ends before its last column begins, or is too short, is ragged."""
    shortest = layout.shortest or max(start for start, _ in layout.widths.values())
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
    """Names of the columns. Errors do not quote the line, because it may be a record."""
    split = split_line(header, layout)
    raw: str = header[RAW].item()
    if not split[WHOLE].item() or "\n" in raw or "\r" in raw or "\x00" in raw:
        raise UnreadableUpload(
            "the header is not one line of names: a quote is never closed, or line ends of two kinds are mixed",
            hint="check quotes and line ends in the first line of the file",
        )
    texts = [text[1:].strip().strip('"') for text in split[FIELDS].item().to_list()]
    if len(texts) > _MOST_COLUMNS:
        raise UnreadableUpload(f"the first line has more than {_MOST_COLUMNS} columns", hint="check its delimiter")
    names = [column_name(text) or f"column_{number}" for number, text in enumerate(texts, start=1)]
    if layout.number_names:
        names = numbered_names(names)
    times = Counter(names)
    twice = [str(number) for number, name in enumerate(names, start=1) if times[name] > 1]
    if twice:
        raise UnreadableUpload(
            f"the header names a column twice: columns {', '.join(twice)}",
            hint="give each column its own name, or set [layout] number_names = true",
        )
    return tuple(names)


def numbered_names(names: Sequence[str]) -> list[str]:
    """Names with a number after each name that occurred before: number, number 2."""
    seen = Counter[str]()
    numbered: list[str] = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return numbered


def _type_rows(lines: pl.DataFrame, layout: Layout) -> int:
    """Number of leading lines that state types. It is 0 for a file in which records follow the header."""
    mark = escaped(layout.delimiter)
    stated = lines[RAW].str.contains(rf"^{_TYPE}(?:{mark}{_TYPE})*$")
    return int(stated.cast(pl.Int64).cum_min().sum())
