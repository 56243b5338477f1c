"""The dialect ``xlsx``: a workbook of text cells, so that nothing is rounded, run or read as a date.

Rows beyond ``SHEET_ROWS`` continue in the next sheet, under the same header.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, cast
from xml.etree import ElementTree as ET

import polars as pl
import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.atomic import AtomicFile
from cdr_pipeline.exports.dialects.dialect import ExactRows, ExportDialect

SHEET_ROWS: Final = 1_048_575  # without the header
_CELL_CHARACTERS: Final = 32_767
# A workbook contains its creation time. It is fixed, so that the same rows give the same bytes.
_MADE: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - the format knows no zone
_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_BATCH_ROWS: Final = 20_000


def write_workbook(
    chunks: Iterable[pl.DataFrame],
    columns: Sequence[str],
    target: IO[bytes],
    folder: Path,
    sheet_rows: int = SHEET_ROWS,
) -> None:
    """Writes cells of the exact dialect; memory use is that of a row, the rest is in temporary files.

    Args:
        chunks: frames of text columns.
        columns: names of the columns.
        target: file that the workbook is written to.
        folder: folder for temporary files.
        sheet_rows: maximum number of rows of one sheet, without the header.

    Raises:
        ExportError: a cell is longer than a workbook can hold.
    """
    with TemporaryDirectory(dir=folder, prefix=".workbook.", suffix=".part") as temporary:
        book = xlsxwriter.Workbook(
            target,
            {
                "constant_memory": True,
                "tmpdir": temporary,
                "strings_to_formulas": False,
                "strings_to_numbers": False,
                "strings_to_urls": False,
            },
        )
        # Closed in any case, to release the temporary files; after an error the caller discards the target.
        with closing(book):
            book.set_properties({"created": _MADE})
            written, sheet = 0, _sheet(book, 1, columns)
            for chunk in chunks:
                _require_short(chunk)
                # The library writes one cell at a time.
                for row in chunk.iter_rows():
                    if written and written % sheet_rows == 0:
                        sheet = _sheet(book, written // sheet_rows + 1, columns)
                    position = written % sheet_rows + 1
                    for column, text in enumerate(row):
                        if text is not None:
                            sheet.write_string(position, column, text)
                    written += 1


def read_workbook(path: Path) -> Iterator[pl.DataFrame]:
    """Cells of a workbook that ``write_workbook`` has written: all sheets in order, without headers.

    Raises:
        ExportError: the file is not such a workbook.
    """
    try:
        with zipfile.ZipFile(path) as book:
            sheets = sorted(
                (name for name in book.namelist() if name.startswith("xl/worksheets/sheet")),
                key=lambda name: int("".join(filter(str.isdigit, name))),
            )
            for name in sheets:
                with book.open(name) as sheet:
                    yield from _frames(_rows(sheet))
    except (zipfile.BadZipFile, ET.ParseError, ValueError, KeyError, OSError):
        raise ExportError(f"{path.name} is not a workbook of daily files") from None


def _sheet(book: xlsxwriter.Workbook, number: int, columns: Sequence[str]) -> Worksheet:
    sheet = book.add_worksheet(f"cdrs_{number}")
    sheet.freeze_panes(1, 0)
    for position, name in enumerate(columns):
        sheet.write_string(0, position, name)
    return sheet


def _require_short(chunk: pl.DataFrame) -> None:
    lengths = chunk.select(pl.all().str.len_chars().max().fill_null(0))
    long = [name for name in lengths.columns if lengths[name].item() > _CELL_CHARACTERS] if chunk.height else []
    if long:
        raise ExportError(
            f"a cell of {', '.join(long)} is longer than a workbook can hold",
            hint="remove xlsx from CDR_EXPORT_DIALECTS; the other dialects contain the cell",
        )


def _rows(sheet: IO[bytes]) -> Iterator[dict[str, str]]:
    """Cells by column letters, row by row."""
    row: dict[str, str] = {}
    for _, element in ET.iterparse(sheet):  # noqa: S314 - the parser bounds entities itself since 2.4
        if element.tag == f"{_MAIN}c":
            letters = element.attrib["r"].rstrip("0123456789")
            row[letters] = _unescaped("".join(text.text or "" for text in element.iter(f"{_MAIN}t")))
        elif element.tag == f"{_MAIN}row":
            yield row
            row = {}
            element.clear()


def _frames(rows: Iterator[dict[str, str]]) -> Iterator[pl.DataFrame]:
    header_cells = next(rows, {})
    names = list(header_cells.values())
    schema = dict.fromkeys(names, pl.String())
    batch: list[list[str | None]] = []
    for row in rows:
        batch.append([row.get(letters) for letters in header_cells])
        if len(batch) == _BATCH_ROWS:
            yield pl.DataFrame(batch, schema=schema, orient="row")
            batch = []
    yield pl.DataFrame(batch, schema=schema, orient="row")


def _unescaped(text: str) -> str:
    """Decodes ``_x000D_`` (a control character) and ``_x005F_x000D_`` (the text ``_x000D_``)."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _write(rows: ExactRows, writing: AtomicFile) -> None:
    write_workbook(rows.frames(), rows.columns, cast("IO[bytes]", writing), writing.target.parent)


DIALECT: Final = ExportDialect(
    name="xlsx",
    suffix=".xlsx",
    description="workbook in which every cell is text; rows beyond 1,048,575 continue in the next sheet",
    read=read_workbook,
    write=_write,
)
