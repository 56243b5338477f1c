"""Reads the first sheet of an Excel workbook as lines of comma-separated text: xlsx row by row in constant memory.

xls has at most 65,536 rows a sheet and is read at once, by a reader in Python: a damaged file raises an exception.
The number of a line is the number of its row. Times are written as ISO 8601, so that a date in a cell leaves no order
of day and month to guess. Numbers are written as Excel stores them, not as it shows them.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Final
from xml.etree.ElementTree import ParseError

from cdr_pipeline.errors import UnreadableUpload

_WORKBOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_SHEET: Final = re.compile(r'Target="(?:/?xl/)?(worksheets/[^"]+)"')
# An xls file is an OLE compound document.
OLD_WORKBOOK: Final = b"\xd0\xcf\x11\xe0"
_MOST_BYTES: Final = 8 * 1024**3
_MOST_RATIO: Final = 200
_SMALL: Final = 64 * 1024**2
_PIECE_ROWS: Final = 5_000
_MOST_COLUMNS: Final = 2_000
# Excel stores times as days with an error of up to a millisecond.
_ERROR: Final = timedelta(milliseconds=2)
_INTEGER_DIGITS: Final = 15
_MOST_OLD_BYTES: Final = 128 * 1024**2


def is_workbook(source: BinaryIO) -> bool:
    """Whether a zip is an xlsx workbook. The position of the stream is at its beginning before and after."""
    try:
        with zipfile.ZipFile(source) as archive:
            return _WORKBOOK in archive.namelist()
    except zipfile.BadZipFile:
        return False
    finally:
        source.seek(0)


def workbook_pieces(source: BinaryIO, path: Path) -> Iterator[str]:
    """Yields the rows of the first sheet that has any, as comma-separated text.

    Args:
        source: the workbook.
        path: path of the file, for errors.

    Raises:
        UnreadableUpload: the workbook is damaged, needs a password, or unpacks to more than the limit.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 - few files are workbooks
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        _require_sound(source, path)
        book = load_workbook(source, read_only=True, data_only=True)
        for sheet in book.worksheets:
            sheet.reset_dimensions()
            pieces = _pieces(sheet.iter_rows())
            first = next(pieces, "")
            if first.strip():
                yield first
                yield from pieces
                return
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, ParseError, OSError, EOFError):
        raise UnreadableUpload(
            f"{path.name} is a damaged Excel workbook", hint="open it and save it again, or export CSV"
        ) from None


def old_workbook_pieces(source: BinaryIO, path: Path) -> Iterator[str]:
    """Yields the rows of the first sheet of an xls workbook that has any, as comma-separated text.

    Raises:
        UnreadableUpload: the workbook is damaged, needs a password, or is larger than the limit.
    """
    xlrd: Any = import_module("xlrd")
    content = source.read(_MOST_OLD_BYTES + 1)
    if len(content) > _MOST_OLD_BYTES:
        raise UnreadableUpload(
            f"{path.name} holds more than {_MOST_OLD_BYTES // 1024**2} MiB", hint="save it as xlsx or CSV"
        )
    try:
        book = xlrd.open_workbook(file_contents=content, formatting_info=True, logfile=io.StringIO())
        for sheet in book.sheets():
            rows = ([_old_cell(book, cell) for cell in sheet.row(number)] for number in range(sheet.nrows))
            text = "".join(_pieces(rows))
            if text.strip():
                yield text
                return
    except Exception:  # noqa: BLE001 - xlrd has no common class of errors for damaged files
        raise UnreadableUpload(
            f"{path.name} is a damaged Excel workbook, or has a password", hint="open it and save it as xlsx or CSV"
        ) from None


@dataclass(frozen=True, slots=True)
class _OldCell:
    """A cell of xls, as ``_text`` reads it."""

    value: object
    number_format: str


def _old_cell(book: Any, cell: Any) -> _OldCell:  # noqa: ANN401 - xlrd has no types
    layout = str(book.format_map[book.xf_list[cell.xf_index].format_key].format_str)
    value: object = None
    # Kinds of cells: 1 text, 2 number, 3 date, 4 boolean; others are empty or errors such as #REF!.
    match cell.ctype:
        case 1 | 2:
            value = cell.value
        case 3 if "[h" in layout.lower() or cell.value < 1:
            value = timedelta(days=cell.value) if "[h" in layout.lower() else _time_of_day(cell.value)
        case 3:
            xldate: Any = import_module("xlrd.xldate")
            value = xldate.xldate_as_datetime(cell.value, book.datemode)
        case 4:
            value = bool(cell.value)
        case _:
            pass
    return _OldCell(value, layout)


def _time_of_day(days: float) -> time:
    minutes, second = divmod(round(days * 86_400), 60)
    return time(minutes // 60 % 24, minutes % 60, second)


def _require_sound(source: BinaryIO, path: Path) -> None:
    """Checks the size of the parts of a workbook, that no sheet is missing, and that none has a type definition.

    Raises:
        KeyError: a sheet is missing; openpyxl would leave it out.
    """
    packed = source.seek(0, io.SEEK_END)
    source.seek(0)
    limit = min(_MOST_BYTES, max(packed * _MOST_RATIO, _SMALL))
    with zipfile.ZipFile(source) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > limit:
            raise UnreadableUpload(
                f"{path.name} unpacks to more than {limit // 1024**2} MiB",
                hint="the file may be an attack; if it is genuine, export CSV",
            )
        for sheet in _SHEET.findall(archive.read(_RELATIONS).decode()):
            archive.getinfo(f"xl/{sheet}")
        for entry in archive.infolist():
            with archive.open(entry) as part:
                if b"<!DOCTYPE" in part.read(4096):
                    raise UnreadableUpload(
                        f"{path.name} has a document type definition, which is not read", hint="export CSV"
                    )
    source.seek(0)


def _pieces(rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    width = 0
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    for number, row in enumerate(rows, start=1):
        cells = [_text(cell) for cell in row[:_MOST_COLUMNS]]
        while cells and not cells[-1]:
            cells.pop()
        # The header is the widest row; rows that end with empty cells are as wide.
        width = max(width, len(cells))
        if cells:
            writer.writerow([*cells, *[""] * (width - len(cells))])
        else:
            lines.write("\n")
        if number % _PIECE_ROWS == 0:
            yield lines.getvalue()
            lines.seek(0)
            lines.truncate()
    yield lines.getvalue()


def _text(cell: Any) -> str:  # noqa: ANN401, PLR0911 - a cell of any type, one case for each
    value = cell.value
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return _moment(value, str(cell.number_format))
        case date():
            return value.isoformat()
        case time():
            return value.isoformat("seconds")
        case timedelta():
            seconds = round(value.total_seconds())
            return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        case float():
            return f"{value:.0f}" if value.is_integer() and abs(value) < 10**_INTEGER_DIGITS else repr(value)
        case _:
            return str(value).replace("\r", " ").replace("\n", " ")


def _moment(value: datetime, number_format: str) -> str:
    nearest = (value + timedelta(milliseconds=500)).replace(microsecond=0)
    if abs(value - nearest) <= _ERROR:
        value = nearest
    if "h" not in number_format.lower() and value.time() == time():
        return f"{value:%Y-%m-%d}"
    text = f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{text}.{value.microsecond // 1000:03d}" if value.microsecond else text
