"""Reads JSON text to raw rows: a document, a list, an envelope with ``data``, or one document a line."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, cast

import orjson
import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW, REJECT_SCHEMA, no_rejects
from cdr_pipeline.core.records.reasons import Filtered, Reject
from cdr_pipeline.core.records.rejection import RowFault, split_rejects
from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.core.uploads.profile_values import column_name
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.json_paths import PathTree, nested_value
from cdr_pipeline.sources.uploads.lines import BLOCK, LONGEST_LINE, line_blocks, physical_lines
from cdr_pipeline.sources.uploads.opening import MAX_WHOLE_BYTES
from cdr_pipeline.sources.uploads.records import ASIDE_SCHEMA, RawRecords, filtered_lines, rejected_lines

# Every call record has at least one of these keys; an error envelope or a settings file has none.
_RECORD_KEYS: Final = frozenset({"call_id", "callid", "id", "_id", "uniqueid", "uuid", "sid"})
_UNREADABLE: Final = object()
# Sets of keys that are remembered while items are told from other documents.
_MOST_SHAPES: Final = 10_000
# Classes of values that are JSON within JSON.
_INNER: Final = frozenset({dict, list})
# Items that are read at once.
_SOME: Final = 2_000


def json_records(text: str, layout: Layout, record_keys: frozenset[str] = frozenset()) -> RawRecords:
    """Reads JSON text to rows with one text column per top-level key. Nested values become JSON text.

    Text that is not JSON, and JSON that does not hold records, is rejected line by line, so that every line is
    accounted for. If the text is one JSON value, ``line`` counts records. If it is one value a line, ``line`` counts
    physical lines, and an unreadable line affects no other line.

    Args:
        text: text of the complete file.
        layout: layout whose ``nulls`` are used.
        record_keys: keys in lower case that identify a record of this source, in addition to the usual ones.
    """
    try:
        items = _unwrapped(orjson.loads(text), layout.records)
    except orjson.JSONDecodeError:
        lines = physical_lines(text)
        if not _begins_with_document(lines):
            return rejected_lines(text, Reject.INVALID_JSON)
        return _line_records(lines, layout, record_keys)
    if not items:
        empty = pl.DataFrame(schema={LINE: pl.Int64, RAW: pl.String})
        return RawRecords(empty, no_rejects(), filtered_lines(empty, Filtered.BLANK), 0)
    if not any(_is_record(item, record_keys) for item in items):
        return rejected_lines(text, Reject.NOT_A_RECORD)
    raws = pl.Series(RAW, [_raw(item) for item in items])
    numbers = pl.int_range(1, len(items) + 1, dtype=pl.Int64, eager=True).alias(LINE)
    return framed_items(pl.DataFrame([numbers, raws]), items, layout, record_keys)


def json_blocks(
    pieces: Callable[[], Iterable[str]],
    layout: Layout,
    record_keys: frozenset[str] = frozenset(),
    *,
    block: int = BLOCK,
) -> Iterator[RawRecords]:
    """Reads JSON text in pieces: block by block if it has one document a line, at once if it is one value.

    Args:
        pieces: returns the pieces of the text from its beginning.
        layout: layout whose ``nulls`` are used.
        record_keys: as in ``json_records``.
        block: number of characters processed at once.

    Raises:
        UnreadableUpload: one value is larger than the limit.
    """
    for _, records in json_lines(pieces, layout, record_keys, block=block):
        yield records


def json_lines(
    pieces: Callable[[], Iterable[str]],
    layout: Layout,
    record_keys: frozenset[str] = frozenset(),
    *,
    block: int = BLOCK,
) -> Iterator[tuple[pl.DataFrame, RawRecords]]:
    """As ``json_blocks``, with the lines of each block: ``line`` and ``raw``, one document each."""
    if _is_one_a_line(pieces()):
        for lines in line_blocks(pieces(), replace(layout, quoted=False), block=block):
            yield lines, _line_records(lines, layout, record_keys)
        return
    records = json_records(_whole(pieces()), layout, record_keys)
    documents = pl.concat([records.frame.select(LINE, RAW), records.rejects.select(LINE, RAW)])
    yield documents.sort(LINE), records


def require_json(pieces: Callable[[], Iterable[str]]) -> None:
    """Checks that text is one JSON value, or begins with one document a line.

    Raises:
        UnreadableUpload: it is neither, such as text that was cut off; or one value is larger than the limit.
    """
    if _is_one_a_line(pieces()):
        return
    text = _whole(pieces())
    if _value(text) is _UNREADABLE and not _begins_with_document(physical_lines(text)):
        raise UnreadableUpload(
            "the file is not JSON: it is cut off, damaged, or in another format",
            hint="send the complete file again; send CSV as text/csv",
        )


def _whole(pieces: Iterable[str]) -> str:
    buffer: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_WHOLE_BYTES:
            raise UnreadableUpload(
                f"the file is one JSON value of more than {MAX_WHOLE_BYTES // 1024**2} MiB",
                hint="write one document a line",
            )
        buffer.append(piece)
    return "".join(buffer)


def _is_one_a_line(pieces: Iterable[str]) -> bool:
    """Whether the first line that is not blank is a complete document, with other lines after it."""
    buffer = ""
    for piece in pieces:
        buffer = (buffer + piece).lstrip()
        line, end, _ = buffer.partition("\n")
        if end:
            return line.startswith("{") and isinstance(_value(line), dict)
        if len(buffer) > LONGEST_LINE:
            return False
    return False


def _begins_with_document(lines: pl.DataFrame) -> bool:
    """Whether the first line that is not blank is a complete document."""
    written = lines.filter(lines[RAW].str.strip_chars() != "")[RAW]
    return not written.is_empty() and isinstance(_value(written.item(0)), dict)


def _line_records(lines: pl.DataFrame, layout: Layout, record_keys: frozenset[str]) -> RawRecords:
    """Rows of text with one document a line."""
    blank = lines[RAW].str.strip_chars() == ""
    written = lines.filter(~blank)
    aside = filtered_lines(lines.filter(blank), Filtered.BLANK)
    if written.is_empty():
        frame = pl.DataFrame(schema={LINE: pl.Int64, RAW: pl.String})
        return RawRecords(frame, pl.DataFrame(schema=REJECT_SCHEMA), aside, lines.height)
    records = framed_items(written, map(_value, written[RAW].to_list()), layout, record_keys)
    return RawRecords(records.frame, records.rejects, aside, lines.height)


def _value(line: str) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _UNREADABLE


def _unwrapped(value: object, records: str) -> list[object]:
    """The records of one JSON value, in order.

    Args:
        value: the document.
        records: path to the list of records; "" for the document itself or its ``data``.
    """
    if records:
        value = nested_value(value, records.lower().split("."))
    elif isinstance(value, dict) and isinstance(value.get("data"), list | dict):
        value = value["data"]
    return cast("list[object]", value) if isinstance(value, list) else [value]


def _raw(item: object) -> str:
    """An item as JSON; empty if it is nested so deep that it cannot be written, and is rejected."""
    try:
        return orjson.dumps(item).decode()
    except TypeError:
        return ""


def _is_record(item: object, record_keys: frozenset[str]) -> bool:
    if not isinstance(item, dict):
        return False
    keys = _RECORD_KEYS | record_keys
    return any(column_name(key) in keys for key in item) or any(
        nested_value(item, path.split(".")) is not None for path in record_keys if "." in path
    )


def framed_items(
    lines: pl.DataFrame, items: Iterable[object], layout: Layout, record_keys: frozenset[str]
) -> RawRecords:
    """Rows of the items; ``lines`` holds ``line`` and ``raw`` of each item. No item is kept, so a generator is best."""
    read = _read_items(items, record_keys)
    values = pl.read_ndjson(read.objects, schema=dict.fromkeys(read.keys, pl.String)) if read.keys else pl.DataFrame()
    inner = {name: texts.series(read.count) for name, texts in read.inner.items()}
    values = values.with_columns(
        (texts.fill_null(values[name]) if texts.null_count() else texts).alias(name) for name, texts in inner.items()
    )
    nested = read.nested.select(sorted(set(read.nested.columns) - set(_names(read.keys).values())))
    texts = pl.concat([values.rename(_names(read.keys)), nested], how="horizontal")
    texts = texts.select(pl.when(~pl.col(name).is_in(["", *layout.nulls])).then(pl.col(name)) for name in texts.columns)
    frame = pl.concat([lines, texts], how="horizontal")
    faults = [
        RowFault("", Reject.INVALID_JSON, pl.col(LINE).is_in(lines[LINE].gather(read.unreadable).implode())),
        RowFault("", Reject.NOT_A_RECORD, pl.col(LINE).is_in(lines[LINE].gather(read.others).implode())),
        RowFault("", Reject.NUL_CHARACTER, pl.col(RAW).str.contains(r"\x00|(^|[^\\])(\\\\)*\\u0000")),
    ]
    # The slow expression runs only if one of its two texts occurs.
    is_sound = not read.unreadable and not read.others and not lines[RAW].str.contains_any(["\x00", r"\u0000"]).any()
    sifted = split_rejects(frame, [] if is_sound else faults)
    aside = pl.DataFrame(schema=ASIDE_SCHEMA)
    return RawRecords(sifted.rows, sifted.rejects, aside, frame.height)


@dataclass(slots=True)
class _InnerTexts:
    """Objects and lists under one key, as JSON, with their rows."""

    rows: list[int] = field(default_factory=list[int])
    texts: list[bytes] = field(default_factory=list[bytes])

    def series(self, count: int) -> pl.Series:
        """Text of each of so many rows; null where there is none."""
        texts = pl.Series(self.texts, dtype=pl.Binary).cast(pl.String)
        if len(texts) == count:
            return texts
        return pl.Series([None], dtype=pl.String).new_from_index(0, count).scatter(self.rows, texts)


@dataclass(slots=True)
class _ReadItems:
    """What one pass over items finds.

    Attributes:
        keys: keys of all objects, sorted.
        objects: the objects as JSON, one a line, without the objects and lists within them; an item that is none is an
            empty one.
        inner: objects and lists within the objects as JSON, by key.
        nested: text of the values of all items at each path.
        unreadable: rows of texts that are not JSON.
        others: rows of items that are no records.
        count: number of items.
    """

    keys: list[str]
    objects: bytes
    inner: dict[str, _InnerTexts]
    nested: pl.DataFrame
    unreadable: list[int]
    others: list[int]
    count: int


def _read_items(items: Iterable[object], record_keys: frozenset[str]) -> _ReadItems:
    tree = PathTree([path for path in record_keys if "." in path])
    nothing: list[object] = [None] * len(tree.paths)
    known_keys = _RECORD_KEYS | record_keys
    keys: set[str] = set()
    known: dict[tuple[str, ...], bool] = {}
    objects: list[bytes] = []
    inner: dict[str, _InnerTexts] = {}
    nested: list[pl.DataFrame] = []
    unreadable: list[int] = []
    others: list[int] = []
    numbered = enumerate(items)
    width = len(nothing)
    # Some items at a time, so that their values are still in the processor's cache when they become columns. No item is
    # kept, and their values are in one list: many objects would be slow to collect as garbage.
    while True:
        found: list[object] = []
        rows = len(objects)
        for row, item in islice(numbered, _SOME):
            if not isinstance(item, dict):
                (unreadable if item is _UNREADABLE else others).append(row)
                objects.append(b"{}")
                found += nothing
                continue
            shape = tuple(item)
            if shape not in known:
                if len(known) > _MOST_SHAPES:
                    known.clear()
                known[shape] = any(column_name(key) in known_keys for key in shape)
                keys.update(shape)
            tree.collect(item, found)
            if not known[shape] and not (width and any(value is not None for value in found[-width:])):
                others.append(row)
            try:
                objects.append(_written(cast("dict[str, object]", item), row, inner))
            except TypeError:
                # Nested deeper than orjson writes, and nearly as deep as it reads.
                unreadable.append(row)
                objects.append(b"{}")
        if len(objects) == rows:
            break
        nested.append(pl.DataFrame([_texts(path, found[at::width]) for at, path in enumerate(tree.paths)]))
    frame = pl.concat(nested or [pl.DataFrame()], rechunk=True)
    return _ReadItems(sorted(keys), b"\n".join(objects), inner, frame, unreadable, others, len(objects))


def _written(item: dict[str, object], row: int, inner: dict[str, _InnerTexts]) -> bytes:
    """An item as JSON without the objects and lists in it, which are added to ``inner`` and taken out of the item.

    Polars would write their texts without escaping what is within them. Raises TypeError if they are nested too deep.
    """
    for key in [key for key, value in item.items() if value.__class__ in _INNER]:
        text = orjson.dumps(item[key])
        texts = inner.get(key)
        if texts is None:
            texts = inner[key] = _InnerTexts()
        texts.rows.append(row)
        texts.texts.append(text)
        item[key] = None
    return orjson.dumps(item)


def _texts(path: str, values: Sequence[object]) -> pl.Series:
    """A text column of the values at a path; a nested object or list becomes JSON text."""
    try:
        return pl.Series(path, values, pl.String)
    except TypeError:
        return pl.Series(path, map(_text, values), pl.String)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _names(keys: Sequence[str]) -> dict[str, str]:
    """Column of each key: its name in lower case. A key that is in lower case already takes precedence."""
    names: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: key != column_name(key)):
        name = column_name(key)
        while name in names.values():
            name = f"source_{name}"
        names[key] = name
    return names
