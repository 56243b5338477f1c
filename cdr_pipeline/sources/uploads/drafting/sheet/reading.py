"""The shape of an unknown file: encoding, kind of text, words that mean nothing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.sheet.delimited import read_lines
from cdr_pipeline.sources.uploads.drafting.sheet.documents import read_json, read_xml
from cdr_pipeline.sources.uploads.drafting.sheet.limits import SAMPLE_LINES
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet
from cdr_pipeline.sources.uploads.opening import text_pieces

_TAIL: Final = 64 * 1024
_ENCODINGS: Final = ("utf-8", "cp1252", "latin-1")


def read_sheet(path: Path) -> Sheet:
    """Finds the shape of a file.

    Args:
        path: file of calls, packed or not.

    Raises:
        UnreadableUpload: the file cannot be opened, or has no shape that a profile can describe.
    """
    sheet = Sheet()
    encoding, head, tail = _text_of(path)
    sheet.decided.append(f"encoding {encoding}")
    if head.lstrip()[:1] in ("{", "["):
        read_json(head, sheet)
    elif head.lstrip().startswith("<"):
        read_xml(path, head, sheet)
    else:
        lines = [line.rstrip("\r") for line in re.split(r"\n|\r(?!\n)", head)[:SAMPLE_LINES]]
        written = [line for line in lines if line.strip()]
        if not written:
            raise UnreadableUpload(f"{path.name} holds no lines")
        read_lines(path, written, [line for line in re.split(r"\r?\n|\r", tail) if line.strip()], sheet)
    sheet.layout["encoding"] = encoding
    nulls = [word for word in ("NULL", "\\N", "NA", "N/A", "-", "null", "None") if _is_null(word, sheet)]
    if nulls:
        sheet.layout["nulls"] = nulls
        nothing = frozenset(nulls)
        sheet.columns = {
            name: ["" if value in nothing else value for value in values] for name, values in sheet.columns.items()
        }
    return sheet


def _is_null(word: str, sheet: Sheet) -> bool:
    """Whether a word means "no value": NULL always does, others only in a column of several other values."""
    if word in ("NULL", "\\N"):
        return any(word in values for values in sheet.columns.values())
    return any(word in values and len({*values} - {word, ""}) > 1 for values in sheet.columns.values())


def _text_of(path: Path) -> tuple[str, str, str]:
    """Encoding, beginning and end of the text."""
    encodings = list(_ENCODINGS)
    while True:
        encoding = encodings.pop(0)
        try:
            return (encoding, *_ends_of(text_pieces(path, encoding)))
        except UnreadableUpload as error:
            if "UTF-16" in error.message and encoding == _ENCODINGS[0]:
                encodings = ["utf-16-le", "utf-16-be"]
            if not encodings:
                raise


def _ends_of(pieces: Iterator[str]) -> tuple[str, str]:
    head = tail = ""
    for piece in pieces:
        if not head.strip():
            head = piece
        tail = (tail + piece)[-_TAIL:]
    return head, tail
