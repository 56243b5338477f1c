"""Reads XML text to raw rows, one record at a time, so that a file may be larger than memory.

A record is an element at a path below the document, such as ``cdr`` or ``broadworkscdr.cdrdata``. Its columns are paths
into it, as in nested JSON. Document type definitions are refused: they can expand without limit and read other files.
Several documents may follow each other in one file.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import orjson
import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.documents import framed_items
from cdr_pipeline.sources.uploads.records import RawRecords

# Characters of the records that are framed at once, and limits of one record.
_BLOCK: Final = 8 * 1024**2
_LONGEST_RECORD: Final = 4 * 1024**2
_MOST_DEPTH: Final = 64
_DECLARATION: Final = re.compile(r"\ufeff?<\?xml\s[^>]*\?>")
# Longest beginning of a declaration that a piece of text may cut off.
_CUT: Final = 200
_ROOT: Final = "documents"
_TEXT: Final = "text"
_MOSTLY: Final = 0.8


def xml_blocks(
    pieces: Iterable[str], layout: Layout, record_keys: frozenset[str] = frozenset(), *, block: int = _BLOCK
) -> Iterator[RawRecords]:
    """Reads XML text in pieces and yields its records, some megabytes at a time.

    Args:
        pieces: the text, split at any position.
        layout: layout with the path of the records.
        record_keys: paths of the profile's columns.
        block: number of characters of records that are framed at once.

    Raises:
        UnreadableUpload: the text is not well-formed, has a document type definition, or holds no element at the path
            of the records.
    """
    for _, records in xml_lines(pieces, layout, record_keys, block=block, with_text=False):
        yield records


def xml_lines(
    pieces: Iterable[str],
    layout: Layout,
    record_keys: frozenset[str] = frozenset(),
    *,
    block: int = _BLOCK,
    with_text: bool = True,
) -> Iterator[tuple[pl.DataFrame, RawRecords]]:
    """As ``xml_blocks``, with ``line`` and ``raw`` of the records of each block; ``raw`` is the XML of the record.

    Args:
        pieces: as in ``xml_blocks``.
        layout: as in ``xml_blocks``.
        record_keys: as in ``xml_blocks``.
        block: as in ``xml_blocks``.
        with_text: whether the XML is kept; otherwise ``raw`` is empty.

    Raises:
        UnreadableUpload: as ``xml_blocks``.
    """
    first, found, size = 1, list[_Record](), 0
    for record in _records(pieces, layout.records, percent_encoded=layout.percent_encoded, with_text=with_text):
        found.append(record)
        size += record.length
        if size >= block:
            yield _block(found, first, layout, record_keys)
            first, found, size = first + len(found), [], 0
    yield _block(found, first, layout, record_keys)


def around_records(layout: Layout) -> tuple[str, str]:
    """Text before and after the records in a file of some of them; both empty for text that is not XML."""
    names = layout.records.split(".")[:-1] if layout.format == "xml" else []
    return "".join(f"<{name}>\n" for name in names), "".join(f"</{name}>\n" for name in reversed(names))


def xml_records(
    pieces: Iterable[str], records: str, *, percent_encoded: bool = False, whole: bool = True
) -> Iterator[tuple[dict[str, Any], int]]:
    """Yields the records of XML text as nested objects, each with its approximate length.

    Args:
        pieces: the text, split at any position.
        records: path of the records, names in lower case; "" for each document.
        percent_encoded: whether values are percent-encoded, such as %40 for @.
        whole: whether the text has to be complete; otherwise it may end anywhere.

    Raises:
        UnreadableUpload: as ``xml_blocks``.
    """
    for record in _records(pieces, records, percent_encoded=percent_encoded, whole=whole):
        yield record.values, record.length


@dataclass(frozen=True, slots=True)
class _Record:
    """Values of a record, its approximate length, and its XML if that is kept."""

    values: dict[str, Any]
    length: int
    text: str


def _records(
    pieces: Iterable[str], records: str, *, percent_encoded: bool, whole: bool = True, with_text: bool = False
) -> Iterator[_Record]:
    reader = _Reader(tuple(records.split(".")) if records else (), percent_encoded, with_text)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(f"<{_ROOT}>", False)
        for text in _without_declarations(pieces):
            parser.Parse(text, False)
            yield from reader.taken()
        if whole:
            parser.Parse(f"</{_ROOT}>", True)
    except expat.ExpatError as error:
        raise UnreadableUpload(
            f"the file is not XML at line {error.lineno}, column {error.offset}: {expat.ErrorString(error.code)}",
            hint="the file may be cut off: fetch it again",
        ) from None
    yield from reader.taken()
    if whole and not reader.found:
        raise UnreadableUpload(
            f"the file has no element {records or 'at all'}",
            hint="choose the profile of the system that wrote the file, or draft one: cdr-pipeline profiles new FILE",
        )


def record_path(text: str) -> str:
    """Path of the records in the beginning of XML text: the elements that repeat, or each document.

    Args:
        text: beginning of the text, which may end anywhere.
    """
    children: dict[tuple[str, ...], Counter[str]] = {}
    names: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        plain = name.rpartition(":")[2].lower()
        children.setdefault(tuple(names), Counter())[plain] += 1
        names.append(plain)

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: names.pop()
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(f"<{_ROOT}>" + _DECLARATION.sub("", text), False)
    path: tuple[str, ...] = (_ROOT,)
    while path in children:
        ((name, times),) = children[path].most_common(1)
        inner = (*path, name)
        # A record has children of many names; what is around records has one kind of child.
        if inner not in children or times < _MOSTLY * children[path].total():
            break
        path = inner
        if times > 1:
            break
    return ".".join(path[1:])


@dataclass(slots=True)
class _Reader:
    """Builds the objects of the records that a parser reads.

    Attributes:
        path: names of the elements down to a record; empty for each document.
        percent_encoded: whether values are percent-encoded.
        with_text: whether the XML of the records is kept.
        found: whether the outermost element of the path was there.
    """

    path: tuple[str, ...]
    percent_encoded: bool
    with_text: bool = False
    found: bool = False
    _names: list[str] = field(default_factory=list[str])
    _open: list[tuple[dict[str, Any], list[str]]] = field(default_factory=list[tuple[dict[str, Any], list[str]]])
    _ready: list[_Record] = field(default_factory=list[_Record])
    _length: int = 0
    _texts: list[str] = field(default_factory=list[str])

    def start(self, name: str, attributes: dict[str, str]) -> None:
        plain = name.rpartition(":")[2]
        self._names.append(plain.lower())
        if len(self._names) > _MOST_DEPTH:
            raise UnreadableUpload(
                f"elements are nested more than {_MOST_DEPTH} deep", hint="the file may be an attack"
            )
        inner = tuple(self._names[1:])
        # An export without calls has the elements around them.
        around = self.path[:-1]
        self.found = self.found or (bool(inner) and (inner == around or inner[: len(self.path)] == self.path))
        if self._open or inner == self.path or (not self.path and len(inner) == 1):
            values = {key.rpartition(":")[2]: self._value(value) for key, value in attributes.items()}
            self._open.append((values, []))
            if self.with_text:
                written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
                self._texts.append(f"<{name}{written}>")
            self._grow(len(name) + sum(map(len, attributes.values())))

    def text(self, text: str) -> None:
        if self._open:
            self._open[-1][1].append(text)
            if self.with_text:
                self._texts.append(escape(text))
            self._grow(len(text))

    def end(self, name: str) -> None:
        self._names.pop()
        if not self._open:
            return
        values, texts = self._open.pop()
        text = self._value("".join(texts).strip())
        if self.with_text:
            self._texts.append(f"</{name}>")
        if not self._open:
            self._ready.append(_Record(values, self._length, "".join(self._texts)))
            self._length = 0
            self._texts.clear()
            return
        if values and text:
            values.setdefault(_TEXT, text)
        _add(self._open[-1][0], name.rpartition(":")[2], values or text)

    def taken(self) -> list[_Record]:
        """Records that are complete since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def _value(self, text: str) -> str:
        return unquote(text) if self.percent_encoded else text

    def _grow(self, length: int) -> None:
        self._length += length
        if self._length > _LONGEST_RECORD:
            raise UnreadableUpload(
                f"a record has more than {_LONGEST_RECORD // 1024**2} MiB",
                hint="set [layout] records to the path of a single call",
            )


def _add(values: dict[str, Any], name: str, value: object) -> None:
    """Adds the value of an element; elements of one name become a list."""
    if name not in values:
        values[name] = value
    elif isinstance(values[name], list):
        values[name].append(value)
    else:
        values[name] = [values[name], value]


def _without_declarations(pieces: Iterable[str]) -> Iterator[str]:
    """The text without XML declarations, of which each document has one."""
    rest = ""
    for piece in pieces:
        text = _DECLARATION.sub("", rest + piece)
        if "<!DOCTYPE" in text:
            raise UnreadableUpload(
                "the file has a document type definition, which is not read",
                hint="ask the sender for the same file without <!DOCTYPE ...>",
            )
        mark = text.rfind("<?", max(0, len(text) - _CUT))
        cut = mark if mark >= 0 and "?>" not in text[mark:] else len(text) - text.endswith("<")
        rest = text[cut:]
        yield text[:cut]
    yield rest


def _block(
    found: Sequence[_Record], first: int, layout: Layout, record_keys: frozenset[str]
) -> tuple[pl.DataFrame, RawRecords]:
    items = [record.values for record in found]
    raws = pl.Series(RAW, [orjson.dumps(item).decode() for item in items], pl.String)
    numbers = pl.int_range(first, first + len(items), dtype=pl.Int64, eager=True).alias(LINE)
    lines = pl.DataFrame([numbers, pl.Series(RAW, [record.text for record in found], pl.String)])
    return lines, framed_items(pl.DataFrame([numbers, raws]), items, layout, record_keys)
