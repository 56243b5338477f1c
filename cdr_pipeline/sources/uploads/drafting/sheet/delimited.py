"""Text with a delimiter, and lines that are quoted as a whole."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.sheet.blanks import read_fixed, read_squeezed
from cdr_pipeline.sources.uploads.drafting.sheet.footers import MOST_FOOTERS
from cdr_pipeline.sources.uploads.drafting.sheet.limits import COMMON, FEW, MOST_TITLES
from cdr_pipeline.sources.uploads.drafting.sheet.rows import read_rows
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet

_DELIMITERS: Final = (",", ";", "\t", "|", "^", "~")
_SEP_LINE: Final = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)


def read_lines(path: Path, lines: list[str], tail: list[str], sheet: Sheet) -> None:
    """Finds the delimiter, and reads the lines; text without one has columns between blanks.

    Raises:
        UnreadableUpload: no delimiter and no blanks split the lines into columns.
    """
    titles = 0
    separator = _SEP_LINE.fullmatch(lines[0])
    if separator:
        titles, lines = 1, lines[1:]
        sheet.decided.append(f"the first line names the delimiter ({lines and separator[0].strip()}), and is skipped")
    if _are_wrapped(lines):
        sheet.layout["unwrap"] = '^"(.*)"\\s*$'
        if any('""' in line for line in lines):
            sheet.layout["doubled"] = True
        lines = [_without_wrap(line) for line in lines]
        tail = [_without_wrap(line) for line in tail]
        sheet.decided.append("every line is quoted as a whole")
    delimiter = separator[1] if separator else _delimiter_of(lines)
    if not delimiter:
        if read_squeezed(lines, sheet) or read_fixed(lines, sheet):
            return
        raise UnreadableUpload(
            f"{path.name}: no delimiter splits its lines into the same number of fields",
            hint='for fixed-width text, set [layout] format = "fixed" and [layout.widths]',
        )
    sheet.layout["delimiter"] = delimiter
    read_rows(
        [_cells_of(line, delimiter) for line in lines], [_cells_of(line, delimiter) for line in tail], titles, sheet
    )


def _are_wrapped(lines: Sequence[str]) -> bool:
    """Whether every line is quoted as a whole, except for titles before them and totals after them."""
    wrapped = [index for index, line in enumerate(lines) if _is_wrapped(line)]
    if len(wrapped) < 2 or wrapped[-1] - wrapped[0] >= len(wrapped):  # noqa: PLR2004 - one line shows nothing
        return False
    titles, totals = lines[: wrapped[0]], lines[wrapped[-1] + 1 :]
    delimiter = _delimiter_of([_without_wrap(lines[index]) for index in wrapped])
    # A line before them that has the delimiter is a header, which would have to be quoted too.
    is_header = any(delimiter and delimiter in title for title in titles)
    return not is_header and len(titles) < MOST_TITLES and len(totals) <= MOST_FOOTERS


def _without_wrap(line: str) -> str:
    return line.strip()[1:-1].replace('""', '"') if _is_wrapped(line) else line


def _is_wrapped(line: str) -> bool:
    text = line.strip()
    return len(text) > 2 and text[0] == text[-1] == '"' and '"' not in text[1:-1].replace('""', "")  # noqa: PLR2004 - two quotes


def _cells_of(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def _delimiter_of(lines: Sequence[str]) -> str:
    """The delimiter that splits most lines into the same number of fields; "" if none splits most lines."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(_cells_of(line, delimiter)) for line in lines)
        several = {width: times for width, times in widths.items() if width > 1}
        if not several:
            return 0.0, 0
        width, times = max(several.items(), key=lambda item: (item[1], item[0]))
        share = times / len(lines)
        # Titles and totals are few lines; in a short file they are a large part of it.
        return (1.0 if share >= COMMON else share, width)

    best = max(_DELIMITERS, key=score)
    share, width = score(best)
    return best if share >= COMMON or (width > FEW and share * len(lines) >= 2) else ""  # noqa: PLR2004 - two lines
