"""Tables of breaks as a workbook and as a CSV file, for the dispute pack and the internal pack.

Phone numbers, ids and names are text cells, so that a spreadsheet neither rounds nor runs them. Seconds and money are
numeric cells, so that they can be added up; the CSV file has all their decimals.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from cdr_pipeline.core.reconcile.result.breaks import Break
from cdr_pipeline.exports.atomic import new_file, sole_writer
from cdr_pipeline.files.durable import PRIVATE_FILE, PRIVATE_FOLDER

Cell = str | Decimal | int | datetime | date | None
Line = tuple[str | int | Decimal, ...]
# A spreadsheet runs cells of a CSV file that begin like this; a phone number is not run.
_FORMULA: Final = re.compile(r"[=@\t\r+-]")
_NUMBER: Final = re.compile(r"[+-]?[0-9][0-9.,]*")


@dataclass(frozen=True, slots=True)
class WrittenPack:
    """A pack on disk and its number of breaks."""

    workbook: Path
    csv_file: Path
    breaks: int


@dataclass(frozen=True, slots=True)
class BreakTable:
    """Content of a pack.

    Attributes:
        title: title in the workbook's properties.
        heading: names and values above the totals.
        totals_columns, totals: titles and lines of the totals.
        columns: value of a break by column title.
    """

    title: str
    heading: Sequence[tuple[str, str]]
    totals_columns: Sequence[str]
    totals: Sequence[Line]
    columns: Mapping[str, Callable[[Break], Cell]]


def write_table(
    table: BreakTable, breaks: Sequence[Break], *, folder: Path, stem: str, made_at: datetime
) -> WrittenPack:
    """Writes both files, each atomically and readable by their owner only; the same breaks give the same bytes.

    Args:
        table: content.
        breaks: breaks in order.
        folder: folder of the pack.
        stem: name of the files without suffix.
        made_at: creation time in the workbook's properties.

    Raises:
        ExportError: a file cannot be written.
    """
    pack = WrittenPack(folder / f"{stem}.xlsx", folder / f"{stem}.csv", len(breaks))
    with sole_writer(folder, mode=PRIVATE_FOLDER):
        for path, content in ((pack.csv_file, _csv(table, breaks)), (pack.workbook, _workbook(table, breaks, made_at))):
            with new_file(path, mode=PRIVATE_FILE) as writing:
                writing.write(content)
                writing.place()
    return pack


def file_part(name: str) -> str:
    """A name as a part of a file name."""
    return "".join(sign if sign.isalnum() else "_" for sign in name)


def added(breaks: Sequence[Break], name: str) -> Decimal:
    """Sum of a value; the switch's price counts 0 if the carrier charged in another currency."""
    values = (None if name == "switch_amount" and item.cause == "currency" else getattr(item, name) for item in breaks)
    return sum((value for value in values if value is not None), Decimal(0))


def _text(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _csv(table: BreakTable, breaks: Sequence[Break]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(table.columns)
    for item in breaks:
        values = [_text(value(item)) for value in table.columns.values()]
        writer.writerow([f"'{value}" if _is_formula(value) else value for value in values])
    return text.getvalue().encode()


def _is_formula(value: str) -> bool:
    return bool(_FORMULA.match(value)) and not _NUMBER.fullmatch(value)


def _workbook(table: BreakTable, breaks: Sequence[Break], made_at: datetime) -> bytes:
    content = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(content, options) as book:
        book.set_properties({"title": table.title, "created": made_at.replace(tzinfo=None)})
        bold, money = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "#,##0.00######"})
        totals = book.add_worksheet("Totals")
        for row, line in enumerate(table.heading):
            _write(totals, row, line, None)
        start = len(table.heading) + 1
        _write(totals, start, table.totals_columns, bold)
        for row, line in enumerate(table.totals, start=start + 1):
            _write(totals, row, line, money)
        totals.set_column(0, 0, 30)
        totals.set_column(1, 1, 52)
        totals.set_column(2, len(table.totals_columns), 16)
        sheet = book.add_worksheet("Breaks")
        _write(sheet, 0, tuple(table.columns), bold)
        for row, item in enumerate(breaks, start=1):
            _write(sheet, row, [_cell(value(item)) for value in table.columns.values()], money)
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, len(breaks), len(table.columns) - 1)
        sheet.set_column(0, len(table.columns) - 1, 18)
        for page in (totals, sheet):
            page.set_landscape()
            page.set_paper(9)
            page.fit_to_pages(1, 0)
    return content.getvalue()


def _cell(value: Cell) -> str | int | Decimal:
    """A number if the value is one, otherwise text."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return value
    return _text(value)


def _write(sheet: Worksheet, row: int, line: Sequence[str | int | Decimal], style: Format | None) -> None:
    """Writes one row; texts always become text cells. Only titles and decimals have the style."""
    title = all(isinstance(value, str) for value in line)
    for column, value in enumerate(line):
        if isinstance(value, str):
            sheet.write_string(row, column, value, style if title else None)
        else:
            sheet.write_number(row, column, float(value), style if isinstance(value, Decimal) else None)
