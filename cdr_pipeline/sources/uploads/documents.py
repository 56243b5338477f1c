"""Text of a JSON file to raw rows: a document, a list, an envelope with ``data``, or one document a line."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, cast

import orjson
import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW, REJECT_SCHEMA
from cdr_pipeline.core.records.reasons import Filtered, Reject
from cdr_pipeline.core.records.rejection import RowFault, split_rejects
from cdr_pipeline.core.uploads.profile import Layout, column_name
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.lines import BLOCK, LONGEST_LINE, line_blocks, physical_lines
from cdr_pipeline.sources.uploads.opening import MAX_WHOLE_BYTES
from cdr_pipeline.sources.uploads.records import ASIDE_SCHEMA, RawRecords, filtered_lines, rejected_lines

# A call record has at least one of these; an error envelope or a settings file has none.
_RECORD_KEYS: Final = frozenset({"call_id", "callid", "id", "_id", "uniqueid", "uuid", "sid"})
_UNREADABLE: Final = object()


def json_records(text: str, layout: Layout, record_keys: frozenset[str] = frozenset()) -> RawRecords:
    """Rows of JSON text: one text column per top-level key, nested values as JSON text.

    Text that is no JSON, or JSON that is not records, is rejected line by line, so that every line is accounted for.
    ``line`` counts records where the text is one JSON value, physical lines where it is one value a line; there, a
    line that cannot be read costs no other one.

    Args:
        text: of the whole file.
        layout: its null texts are used.
        record_keys: keys, lower case, of which a record of this source has at least one, beside the usual ones.
    """
    try:
        items = _unwrapped(orjson.loads(text))
    except orjson.JSONDecodeError:
        lines = physical_lines(text)
        written = lines.filter(lines[RAW].str.strip_chars() != "")[RAW]
        if written.is_empty() or not isinstance(_value(written.item(0)), dict):
            return rejected_lines(text, Reject.INVALID_JSON)
        return _line_records(lines, layout, record_keys)
    if not any(_is_record(item, record_keys) for item in items):
        return rejected_lines(text, Reject.NOT_A_RECORD)
    raws = pl.Series(RAW, [orjson.dumps(item).decode() for item in items])
    numbers = pl.int_range(1, len(items) + 1, dtype=pl.Int64, eager=True).alias(LINE)
    return _framed(pl.DataFrame([numbers, raws]), items, layout, record_keys)


def json_blocks(
    pieces: Callable[[], Iterable[str]],
    layout: Layout,
    record_keys: frozenset[str] = frozenset(),
    *,
    block: int = BLOCK,
) -> Iterator[RawRecords]:
    """Rows of JSON text in pieces: block by block where it is one document a line, whole where it is one value.

    Args:
        pieces: gives the text from its beginning.
        layout: its null texts are used.
        record_keys: as in ``json_records``.
        block: characters worked on at once.

    Raises:
        UnreadableUpload: one value is larger than may be held.
    """
    if _is_one_a_line(pieces()):
        for lines in line_blocks(pieces(), replace(layout, quoted=False), block=block):
            yield _line_records(lines, layout, record_keys)
        return
    held: list[str] = []
    size = 0
    for piece in pieces():
        size += len(piece)
        if size > MAX_WHOLE_BYTES:
            raise UnreadableUpload(
                f"one JSON value of more than {MAX_WHOLE_BYTES // 1024**2} MiB", hint="give one document a line"
            )
        held.append(piece)
    yield json_records("".join(held), layout, record_keys)


def _is_one_a_line(pieces: Iterable[str]) -> bool:
    """Whether the first line that is not blank is a document of its own, with other lines after it."""
    held = ""
    for piece in pieces:
        held = (held + piece).lstrip()
        line, end, _ = held.partition("\n")
        if end:
            return line.startswith("{") and isinstance(_value(line), dict)
        if len(held) > LONGEST_LINE:
            return False
    return False


def _line_records(lines: pl.DataFrame, layout: Layout, record_keys: frozenset[str]) -> RawRecords:
    """One document a line."""
    blank = lines[RAW].str.strip_chars() == ""
    written = lines.filter(~blank)
    aside = filtered_lines(lines.filter(blank), Filtered.BLANK)
    if written.is_empty():
        frame = pl.DataFrame(schema={LINE: pl.Int64, RAW: pl.String})
        return RawRecords(frame, pl.DataFrame(schema=REJECT_SCHEMA), aside, lines.height)
    records = _framed(written, [_value(line) for line in written[RAW]], layout, record_keys)
    return RawRecords(records.frame, records.rejects, aside, lines.height)


def _value(line: str) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _UNREADABLE


def _unwrapped(whole: object) -> list[object]:
    """The records of one JSON value, in order."""
    if isinstance(whole, dict) and isinstance(whole.get("data"), list | dict):
        whole = whole["data"]
    return cast("list[object]", whole) if isinstance(whole, list) else [whole]


def _is_record(item: object, record_keys: frozenset[str]) -> bool:
    known = _RECORD_KEYS | record_keys
    return isinstance(item, dict) and any(column_name(key) in known for key in item)


def _framed(lines: pl.DataFrame, items: Sequence[object], layout: Layout, record_keys: frozenset[str]) -> RawRecords:
    """Rows of the items; ``lines`` has ``line`` and ``raw`` of each."""
    keys = sorted(frozenset[str]().union(*(item.keys() for item in items if isinstance(item, dict))))
    objects = b"\n".join(orjson.dumps(item if isinstance(item, dict) else {}) for item in items)
    values = pl.read_ndjson(objects, schema=dict.fromkeys(keys, pl.String)) if keys else pl.DataFrame()
    texts = values.select(pl.when(~pl.col(keys).is_in(["", *layout.nulls])).then(pl.col(keys)).name.keep())
    kinds = pl.Series("__kind", [_kind(item, record_keys) for item in items])
    frame = pl.concat([lines, texts.rename(_names(keys)), kinds.to_frame()], how="horizontal")
    sifted = split_rejects(
        frame,
        [
            RowFault("", Reject.INVALID_JSON, pl.col("__kind") == "unreadable"),
            RowFault("", Reject.NOT_A_RECORD, pl.col("__kind") == "other"),
            RowFault("", Reject.NUL_CHARACTER, pl.col(RAW).str.contains(r"\x00|(^|[^\\])(\\\\)*\\u0000")),
        ],
    )
    aside = pl.DataFrame(schema=ASIDE_SCHEMA)
    return RawRecords(sifted.rows.drop("__kind"), sifted.rejects, aside, frame.height)


def _kind(item: object, record_keys: frozenset[str]) -> str:
    if item is _UNREADABLE:
        return "unreadable"
    return "record" if _is_record(item, record_keys) else "other"


def _names(keys: Sequence[str]) -> dict[str, str]:
    """Column of each key: its lower-case name, which a key that is lower case already has before all others."""
    names: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: key != column_name(key)):
        name = column_name(key)
        while name in names.values():
            name = f"source_{name}"
        names[key] = name
    return names
