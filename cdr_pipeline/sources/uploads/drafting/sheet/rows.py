"""Titles, header, row of types and repeated headers among rows of cells."""

import re
from collections import Counter
from typing import Final

from cdr_pipeline.core.uploads.profile_values import column_name
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.sources.uploads.drafting.sheet.footers import without_footers
from cdr_pipeline.sources.uploads.drafting.sheet.header import header_index
from cdr_pipeline.sources.uploads.drafting.sheet.limits import RULER
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet
from cdr_pipeline.sources.uploads.records import numbered_names

_TYPE: Final = re.compile(r"[A-Z][A-Z ]*(?:\([0-9, ]*\))?")


def read_rows(rows: list[list[str]], tail: list[list[str]], titles: int, sheet: Sheet) -> None:
    """Finds titles, header, row of types, repeated headers and totals among rows of cells."""
    counts = Counter(len(row) for row in rows if len(row) > 1)
    if not counts:
        raise UnreadableUpload(
            f"the delimiter {sheet.layout['delimiter']!r} splits no line into fields",
            hint="if every line is quoted as a whole, set [layout] unwrap to a regular expression of its inner text",
        )
    width = max(counts, key=lambda number: (counts[number], number))
    header = header_index(rows, width)
    if header is None:
        first = next((index for index, row in enumerate(rows) if len(row) == width), 0)
        titles, records = titles + first, rows[first:]
        sheet.names = [f"column_{number}" for number in range(1, width + 1)]
        sheet.titles = [""] * width
        sheet.has_header = False
        sheet.layout |= {"header": False, "columns": sheet.names}
        sheet.decided.append(f"{width} columns, delimiter {sheet.layout['delimiter']!r}")
        sheet.decided.append("no header line")
    else:
        cells = rows[header]
        titles, records = titles + header, rows[header + 1 :]
        sheet.titles = [cell.strip().strip('"').strip() for cell in cells]
        plain = [column_name(title) or f"column_{number}" for number, title in enumerate(sheet.titles, start=1)]
        sheet.names = numbered_names(plain)
        sheet.decided.append(f"{width} columns, delimiter {sheet.layout['delimiter']!r}")
        sheet.decided.append("a header line")
        if sheet.names != plain:
            sheet.layout["number_names"] = True
            sheet.decided.append("the header names columns alike; the later ones get a number")
        if (
            records
            and len(records[0]) == width
            and all(_TYPE.fullmatch(cell.strip().strip('"')) for cell in records[0])
        ):
            sheet.layout["type_rows"] = 1
            records = records[1:]
            sheet.decided.append("a row of types under the header")
        again = [row for row in records if row == cells]
        if again:
            records = [row for row in records if row != cells]
            sheet.decided.append("the header comes again within the file; such lines are skipped")
    if titles:
        sheet.layout["preamble"] = titles
        skipped = count_of(titles, "line")
        sheet.decided.append(f"skipped: {skipped} before the {'records' if header is None else 'header'}")
    records = [row for row in records if not RULER.fullmatch("".join(row))]
    complete = without_footers(records, tail, width, sheet)
    sheet.columns = {name: [row[index].strip() for row in complete] for index, name in enumerate(sheet.names)}
    if not complete:
        raise UnreadableUpload("the file holds a header and no records", hint="draft from a file with calls")
