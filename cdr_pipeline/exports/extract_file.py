"""The file of an extract: a list of records in one of the forms, made from pieces, counted and hashed."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, get_args

from cdr_pipeline.errors import ExtractTooLarge
from cdr_pipeline.exports import atomic, record_lists
from cdr_pipeline.exports.compression import SUFFIXES, Compression, packer
from cdr_pipeline.exports.record_lists import (
    ArrowList,
    JsonList,
    ListWriter,
    PlainList,
    SpreadsheetList,
    TooManyRows,
    WorkbookList,
)
from cdr_pipeline.files import durable

ExtractForm = Literal["csv", "spreadsheet", "json", "json_lines", "arrow", "xlsx"]
EXTRACT_FORMS: Final[tuple[ExtractForm, ...]] = get_args(ExtractForm)
# Forms that are made of JSON lines; the others are made of CSV.
FROM_JSON: Final = frozenset[str](("json", "json_lines"))
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True)
class _Kind:
    """Writer, suffix and media type of a form."""

    writer: Callable[[], ListWriter]
    suffix: str
    media: str


_KINDS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        "csv": _Kind(PlainList, ".csv", "text/csv; charset=utf-8; header=present"),
        "spreadsheet": _Kind(SpreadsheetList, ".spreadsheet.csv", "text/csv; charset=utf-8; header=present"),
        "json": _Kind(JsonList, ".json", "application/json"),
        "json_lines": _Kind(PlainList, ".ndjson", "application/x-ndjson"),
        "arrow": _Kind(ArrowList, ".arrow", "application/vnd.apache.arrow.stream"),
        "xlsx": _Kind(WorkbookList, ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    }
)


def suffix_of(form: str, compression: str) -> str:
    """End of the file name of a form."""
    return _KINDS[form].suffix + SUFFIXES[_compression(compression)]


def media_of(form: str, compression: str) -> str:
    """Media type of the file of a form."""
    return "application/gzip" if compression == "gzip" else _KINDS[form].media


def remove_extract(folder: Path, extract_id: str) -> None:
    """Deletes the files of an extract and what killed writers left of it; nothing happens if there is none.

    Raises:
        ExportError: a file cannot be deleted.
        StoreError: the object store failed.
    """
    for hidden in ("", "."):
        for path in list(folder.glob(f"{hidden}{extract_id}.*")):
            atomic.remove(path)


class ExtractFile:
    """Writes the file under a hidden name until it is complete.

    Args:
        target: path of the complete file.
        form: form of the list.
        compression: compression of the file.
        most_bytes: largest size of the file in bytes.

    Raises:
        ExportError: the file cannot be created.
    """

    def __init__(self, target: Path, form: str, compression: str, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._from_json = form in FROM_JSON
        self._has_header = False
        self._packer = packer(_compression(compression))
        durable.make_folder(target.parent)
        with ExitStack() as opened:
            self._file = opened.enter_context(atomic.new_file(target, mode=_PRIVATE))
            self._writer = _KINDS[form].writer()
            opened.callback(self._writer.close)
            self._opened = opened.pop_all()

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._file.size

    def add(self, piece: bytes, *, begins: bool) -> None:
        """Appends whole rows.

        Args:
            piece: rows of CSV or JSON lines, as the form needs.
            begins: whether the piece is the first of a slice, which has a header line in CSV.

        Raises:
            ExtractTooLarge: the file would have more bytes, or the workbook more rows, than allowed.
            ExportError: the file cannot be written.
        """
        if begins and not self._from_json:
            if self._has_header:
                _, _, piece = piece.partition(b"\n")
            self._has_header = True
        if not piece:
            return
        try:
            self._write(self._writer.add(piece))
        except TooManyRows:
            raise ExtractTooLarge(
                f"a workbook may have at most {record_lists.MOST_SHEET_ROWS} rows",
                hint="request a shorter period, or another format",
            ) from None

    def place(self) -> str:
        """Completes the file under its name; returns its SHA-256 as hex digits.

        Raises:
            ExtractTooLarge, ExportError: as ``add``.
            StoreError: the object store failed.
        """
        for part in self._writer.end():
            self._write(part)
        self._put(self._packer.flush())
        self._file.place()
        return self._file.sha256

    def close(self) -> None:
        """Deletes what is not complete."""
        self._opened.close()

    def _write(self, content: bytes) -> None:
        if content:
            self._put(self._packer.compress(content))

    def _put(self, content: bytes) -> None:
        if self._file.size + len(content) > self._most_bytes:
            raise ExtractTooLarge(
                f"the file would have more than {self._most_bytes} bytes, which are left of the account's limit",
                hint="request a shorter period or gzip, or delete extracts that are not needed any more",
            )
        if content:
            self._file.write(content)


def _compression(name: str) -> Compression:
    return "gzip" if name == "gzip" else "none"
