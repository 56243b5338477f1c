"""A table of the console as a CSV file or a workbook.

Texts are text cells, so that a spreadsheet neither rounds nor runs them; numbers and amounts are numeric cells. CSV
files have all decimals, and times are in UTC.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, Literal

import xlsxwriter

Cell = str | Decimal | int | date | datetime | None
TableFormat = Literal["csv", "xlsx"]
# A spreadsheet runs cells that begin like this; a phone number is not run.
_FORMULA: Final = re.compile(r"[=@\t\r+-]")
_NUMBER: Final = re.compile(r"[+-]?[0-9][0-9.,]*")
# A worksheet has no more rows.
MOST_ROWS: Final = 1_048_575


def table_file(title: str, rows: Sequence[Mapping[str, Cell]], columns: Sequence[str], kind: TableFormat) -> bytes:
    """The file; the same rows give the same bytes.

    Args:
        title: name of the sheet.
        rows: values by column.
        columns: columns in order.
        kind: format of the file.
    """
    return _csv(rows, columns) if kind == "csv" else _workbook(title, rows[:MOST_ROWS], columns)


def _csv(rows: Sequence[Mapping[str, Cell]], columns: Sequence[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_text(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _text(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value)
    if isinstance(value, str) and _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _workbook(title: str, rows: Sequence[Mapping[str, Cell]], columns: Sequence[str]) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(
        stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "remove_timezone": True}
    )
    book.set_properties({"title": title, "created": datetime(2000, 1, 1)})  # noqa: DTZ001 - the same rows, the same bytes
    sheet = book.add_worksheet(title[:31])
    bold, day, moment = (
        book.add_format({"bold": True}),
        book.add_format({"num_format": "yyyy-mm-dd"}),
        book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
    )
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(columns):
        sheet.write_string(0, column, name, bold)
        for line, row in enumerate(rows, start=1):
            value = row.get(name)
            if value is None:
                continue
            if isinstance(value, datetime):
                sheet.write_datetime(line, column, value.astimezone(UTC).replace(tzinfo=None), moment)
            elif isinstance(value, date):
                sheet.write_datetime(line, column, datetime(value.year, value.month, value.day), day)  # noqa: DTZ001
            elif isinstance(value, str):
                sheet.write_string(line, column, value)
            else:
                sheet.write_number(line, column, float(value))
    sheet.autofit(max_width=300)
    book.close()
    return stream.getvalue()
