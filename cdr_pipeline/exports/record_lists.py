"""Lists of records, which arrive as pieces of CSV or JSON lines, in each form of a file, with flat memory."""

import csv
import io
import struct
from collections.abc import Generator
from tempfile import SpooledTemporaryFile
from typing import Final, Protocol

import polars as pl
import xlsxwriter

from cdr_pipeline.exports.dialects import spreadsheet

# Columns of a list that are numbers; all others are texts.
NUMERIC: Final = frozenset(("duration_seconds", "billing_seconds", "ringing_seconds"))
# Rows of a workbook below its header. A worksheet could have ten times as many, but writing them occupies a worker for
# minutes.
MOST_SHEET_ROWS: Final = 100_000
_IN_MEMORY: Final = 1024 * 1024
# An Arrow stream ends with a message without metadata.
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_MESSAGE_HEAD: Final = 8


class TooManyRows(Exception):
    """The list has more rows than a workbook may have."""


class ListWriter(Protocol):
    """Writes the pieces of a list in another form."""

    def add(self, piece: bytes) -> bytes:
        """Takes whole CSV rows, the header first; returns what can be sent already."""
        ...

    def end(self) -> Generator[bytes]:
        """What is left to be sent, in parts."""
        ...

    def close(self) -> None:
        """Removes temporary files, also of a list that was not completed."""
        ...


class PlainList:
    """The pieces as they come: CSV, or JSON lines."""

    def add(self, piece: bytes) -> bytes:
        """The same bytes."""
        return piece

    def end(self) -> Generator[bytes]:
        """Nothing is left."""
        yield from ()

    def close(self) -> None:
        """There are no temporary files."""


class JsonList:
    """One JSON document with the rows under ``data``, as a list without pages, from pieces of JSON lines."""

    def __init__(self) -> None:
        self._begin = b'{"data":['

    def add(self, piece: bytes) -> bytes:
        """Takes whole lines; returns them as members of the list."""
        begin, self._begin = self._begin, b","
        return begin + piece[:-1].replace(b"\n", b",")

    def end(self) -> Generator[bytes]:
        """The end of the document; without it, a reader knows that the list is cut off."""
        yield (self._begin if self._begin != b"," else b"") + b'],"status":"success"}\n'

    def close(self) -> None:
        """There are no temporary files."""


class SpreadsheetList:
    """CSV that a spreadsheet opens by double click, by the rules of the dialect ``spreadsheet`` of daily files."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def add(self, piece: bytes) -> bytes:
        """Lines of guarded cells; the first ones follow the byte order mark and the header."""
        begin = b""
        if not self._names:
            line, _, piece = piece.partition(b"\n")
            self._names = next(csv.reader([line.decode()]))
            begin = spreadsheet.header(self._names)
        return begin + spreadsheet.encode(_texts(piece, self._names).fill_null(""))

    def end(self) -> Generator[bytes]:
        """Nothing is left."""
        yield from ()

    def close(self) -> None:
        """There are no temporary files."""


class ArrowList:
    """An Arrow IPC stream with one batch of records a piece."""

    def __init__(self) -> None:
        self._schema: pl.Schema | None = None
        self._names: list[str] = []

    def add(self, piece: bytes) -> bytes:
        """A batch; the first one follows the schema of the stream."""
        first = self._schema is None
        if first:
            header, _, piece = piece.partition(b"\n")
            self._names = next(csv.reader([header.decode()]))
            self._schema = pl.Schema({name: pl.Float64() if name in NUMERIC else pl.String() for name in self._names})
        frame = _texts(piece, self._names).with_columns(
            pl.col(name).replace("", None).cast(pl.Float64) if name in NUMERIC else pl.col(name).fill_null("")
            for name in self._names
        )
        stream = io.BytesIO()
        frame.write_ipc_stream(stream, compat_level=pl.CompatLevel.oldest())
        message = stream.getvalue().removesuffix(_END_OF_STREAM)
        (length,) = struct.unpack_from("<i", message, _MESSAGE_HEAD // 2)
        return message if first else message[_MESSAGE_HEAD + length :]

    def end(self) -> Generator[bytes]:
        """The end of the stream; without it, a reader knows that the list is cut off."""
        yield _END_OF_STREAM

    def close(self) -> None:
        """There are no temporary files."""


class WorkbookList:
    """A workbook of text and number cells. A text that looks like a formula stays a text."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile[bytes](_IN_MEMORY)
        self._book = xlsxwriter.Workbook(
            self._file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        )
        self._sheet = self._book.add_worksheet("records")
        self._sheet.freeze_panes(1, 0)
        self._names: list[str] = []
        self._rows = 0

    def add(self, piece: bytes) -> bytes:
        """Writes rows; the workbook can be sent only when it is complete.

        Raises:
            TooManyRows: the list has more rows than a workbook may have.
        """
        for row in csv.reader(io.StringIO(piece.decode(), newline="")):
            if self._rows > MOST_SHEET_ROWS:
                raise TooManyRows
            numeric = self._rows > 0
            self._names = self._names or row
            for column, value in enumerate(row):
                if value and numeric and self._names[column] in NUMERIC:
                    self._sheet.write_number(self._rows, column, float(value))
                elif value:
                    self._sheet.write_string(self._rows, column, value)
            self._rows += 1
        return b""

    def end(self) -> Generator[bytes]:
        """The workbook."""
        self._book.close()
        self._file.seek(0)
        while part := self._file.read(_IN_MEMORY):
            yield part

    def close(self) -> None:
        """Removes the temporary files."""
        if not self._book.fileclosed:
            self._book.close()
        self._file.close()


def _texts(piece: bytes, names: list[str]) -> pl.DataFrame:
    """Rows of CSV as texts."""
    return pl.read_csv(piece, has_header=False, schema=dict.fromkeys(names, pl.String), raise_if_empty=False)
