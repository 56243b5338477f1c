"""Text of a JSON file to raw rows: a document, a list, an envelope with ``data``, or one document a line."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, cast

import orjson
import polars as pl

from cdr_pipeline.core.profile import Layout, column_name
from cdr_pipeline.core.reasons import Filtered, Reject
from cdr_pipeline.core.rejection import Fault, sift
from cdr_pipeline.core.schemas import LINE, RAW
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.opening import MAX_WHOLE_BYTES
from cdr_pipeline.sources.uploads.records import RawRecords, blocks, physical_lines, rejected_lines

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
        return _line_records(text, layout, record_keys)
    if not _are_records(items, record_keys):
        return rejected_lines(text, Reject.NOT_A_RECORD)
    raws = pl.Series(RAW, [orjson.dumps(item).decode() for item in items])
    lines = pl.Series(LINE, range(1, len(items) + 1), dtype=pl.Int64)
    return _framed(pl.DataFrame([lines, raws]), items, layout)


def json_blocks(
    pieces: Callable[[], Iterable[str]], layout: Layout, record_keys: frozenset[str] = frozenset()
) -> Iterator[RawRecords]:
    """Rows of JSON text in pieces: block by block where it is one document a line, whole where it is one value.

    Args:
        pieces: gives the text from its beginning.
        layout: its null texts are used.
        record_keys: as in ``json_records``.

    Raises:
        UnreadableUpload: one value is larger than may be held.
    """
    first = next((piece for piece in pieces() if piece.strip()), "")
    line, end, _ = first.lstrip().partition("\n")
    if not (end and line.startswith("{") and isinstance(_value(line), dict)):
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
        return
    for text, first_line in blocks(pieces(), quoted=False):
        yield _line_records(text, layout, record_keys, first_line=first_line)


def _line_records(text: str, layout: Layout, record_keys: frozenset[str], *, first_line: int = 1) -> RawRecords:
    """One document a line, which the first line that is not blank decides."""
    lines = physical_lines(text).with_columns(pl.col(LINE) + (first_line - 1))
    blank = lines[RAW].str.strip_chars() == ""
    written = lines.filter(~blank)
    items = [_value(line) for line in written[RAW]]
    if first_line == 1 and (not items or not isinstance(items[0], dict)):
        return rejected_lines(text, Reject.INVALID_JSON)
    if first_line == 1 and not _are_records(items, record_keys):
        return rejected_lines(text, Reject.NOT_A_RECORD)
    if not items:
        return rejected_lines(text, Reject.INVALID_JSON)
    records = _framed(written, items, layout)
    return RawRecords(records.frame, records.rejects, {Filtered.BLANK: int(blank.sum())}, lines.height)


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


def _are_records(items: Sequence[object], record_keys: frozenset[str]) -> bool:
    known = _RECORD_KEYS | record_keys
    return any(isinstance(item, dict) and any(column_name(key) in known for key in item) for item in items)


def _framed(lines: pl.DataFrame, items: Sequence[object], layout: Layout) -> RawRecords:
    """Rows of the items; ``lines`` has ``line`` and ``raw`` of each."""
    keys = sorted(frozenset[str]().union(*(item.keys() for item in items if isinstance(item, dict))))
    objects = b"\n".join(orjson.dumps(item if isinstance(item, dict) else {}) for item in items)
    values = pl.read_ndjson(objects, schema=dict.fromkeys(keys, pl.String)) if keys else pl.DataFrame()
    texts = values.select(pl.when(~pl.col(keys).is_in(["", *layout.nulls])).then(pl.col(keys)).name.keep())
    kinds = [_kind(item) for item in items]
    frame = pl.concat([lines, texts.rename(_names(keys)), pl.DataFrame({"__kind": kinds})], how="horizontal")
    sifted = sift(
        frame,
        [
            Fault("", Reject.INVALID_JSON, pl.col("__kind") == "unreadable"),
            Fault("", Reject.NOT_A_RECORD, pl.col("__kind") == "other"),
            Fault("", Reject.NUL_CHARACTER, pl.col(RAW).str.contains(r"\x00|(^|[^\\])(\\\\)*\\u0000")),
        ],
    )
    return RawRecords(sifted.rows.drop("__kind"), sifted.rejects, {Filtered.BLANK: 0}, frame.height)


def _kind(item: object) -> str:
    if item is _UNREADABLE:
        return "unreadable"
    return "record" if isinstance(item, dict) else "other"


def _names(keys: Sequence[str]) -> dict[str, str]:
    """Column of each key: its lower-case name, which a key that is lower case already has before all others."""
    names: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: key != column_name(key)):
        name = column_name(key)
        while name in names.values():
            name = f"source_{name}"
        names[key] = name
    return names
