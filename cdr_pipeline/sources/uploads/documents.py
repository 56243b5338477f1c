"""Text of a JSON file to raw rows: a document, a list, an envelope with ``data``, or one document a line."""

from typing import Any, Final, cast

import orjson
import polars as pl

from cdr_pipeline.core.profile import Layout
from cdr_pipeline.core.reasons import Filtered, Reject
from cdr_pipeline.core.rejection import Fault, sift
from cdr_pipeline.core.schemas import LINE, RAW
from cdr_pipeline.sources.uploads.records import RawRecords, rejected_lines

# A call record has at least one of these; an error envelope or a settings file has none.
_RECORD_KEYS: Final = frozenset({"call_id", "id", "_id", "uniqueid", "uuid", "sid"})


def json_records(text: str, layout: Layout) -> RawRecords:
    """Rows of JSON text: one text column per top-level key, nested values as JSON text.

    Text that is no JSON, or JSON that is not records, is rejected line by line, so that every line is accounted for.
    ``line`` counts records where the text is one JSON value, physical lines where it is one value a line.
    """
    try:
        parsed = _parsed(text)
    except orjson.JSONDecodeError:
        return rejected_lines(text, Reject.INVALID_JSON)
    if not parsed or not any(isinstance(item, dict) and _RECORD_KEYS & item.keys() for item in parsed):
        return rejected_lines(text, Reject.NOT_A_RECORD)
    return _framed(parsed, layout)


def _parsed(text: str) -> list[Any]:
    """The records of a text, in order."""
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError:
        return [orjson.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(whole, dict) and isinstance(whole.get("data"), list | dict):
        whole = whole["data"]
    return cast("list[Any]", whole) if isinstance(whole, list) else [whole]


def _framed(parsed: list[Any], layout: Layout) -> RawRecords:
    keys = sorted(frozenset[str]().union(*(item.keys() for item in parsed if isinstance(item, dict))))
    lines = [orjson.dumps(item) for item in parsed]
    objects = b"\n".join(line if line.startswith(b"{") else b"{}" for line in lines)
    values = pl.read_ndjson(objects, schema=dict.fromkeys(keys, pl.String))
    frame = (
        values.with_columns(pl.when(~pl.col(keys).is_in(["", *layout.nulls])).then(pl.col(keys)).name.keep())
        .with_columns(pl.Series(RAW, [line.decode() for line in lines]))
        .with_row_index(LINE, offset=1)
        .with_columns(pl.col(LINE).cast(pl.Int64))
    )
    sifted = sift(
        frame,
        [
            Fault("", Reject.NOT_A_RECORD, ~pl.col(RAW).str.starts_with("{")),
            Fault("", Reject.NUL_CHARACTER, pl.col(RAW).str.contains(r"(^|[^\\])(\\\\)*\\u0000")),
        ],
    )
    return RawRecords(sifted.rows, sifted.rejects, {Filtered.BLANK: 0}, frame.height)
