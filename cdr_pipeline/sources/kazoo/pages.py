"""What a reply says. A page counts only when its body is whole: JSON that closes, rows, and the trailer behind them."""

import re
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
import polars as pl

from cdr_pipeline.errors import TransientUpstreamError

_TOKEN: Final = re.compile(rb'("auth_token"\s*:\s*)"[^"\\]*(?:\\.[^"\\]*)*"')
_CODE: Final = re.compile(r"[a-zA-Z_ ]{1,60}")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        ndjson: the rows, one compact JSON object a line.
        rows: their number.
        keys: union of their keys.
        next_start_key: where the next page begins, None on the last.
        envelope: keys of the envelope, which tell the server's version.
    """

    ndjson: bytes
    rows: int
    keys: frozenset[str]
    next_start_key: str | None
    envelope: frozenset[str]


def parse_page(body: bytes) -> Page:
    """The page in a reply.

    Raises:
        TransientUpstreamError: it is cut, is no JSON, or is no list of rows; asking again can help.
    """
    envelope = _envelope(body)
    rows = envelope.get("data")
    if envelope.get("status") != "success" or not isinstance(rows, list):
        raise TransientUpstreamError("a page came without rows or without its trailer")
    rows = cast("list[Any]", rows)
    if not all(isinstance(row, dict) for row in rows):
        raise TransientUpstreamError("a page holds entries that are no records")
    key = envelope.get("next_start_key")
    return Page(
        ndjson=b"\n".join(map(orjson.dumps, rows)),
        rows=len(rows),
        keys=frozenset[str]().union(*(row.keys() for row in rows)),
        next_start_key=str(key) if key else None,
        envelope=frozenset(envelope),
    )


def parse_detail(body: bytes) -> bytes:
    """The document in a detail reply, as compact JSON.

    Raises:
        TransientUpstreamError: there is none.
    """
    document = _envelope(body).get("data")
    if not isinstance(document, dict):
        raise TransientUpstreamError("a detail reply holds no document")
    return orjson.dumps(document)


def record_ids(ndjson: bytes) -> list[str]:
    """Ids of list rows, each once, in order."""
    if not ndjson:
        return []
    ids = pl.read_ndjson(ndjson, schema={"id": pl.String})["id"]
    return ids.drop_nulls().unique(maintain_order=True).to_list()


def error_code(body: bytes) -> str:
    """Kazoo's short error code in a reply, "" when it has none; never free text, which may quote the request."""
    try:
        message = _envelope(body).get("message")
    except TransientUpstreamError:
        return ""
    return message if isinstance(message, str) and _CODE.fullmatch(message) else ""


def is_range_error(body: bytes) -> bool:
    """Whether a reply says that the window is too long or reversed; 3.x says so with status 500."""
    return b'"date_range"' in body


def without_token(body: bytes, token: str) -> bytes:
    """The body without the token that the server echoes, by name and by value."""
    cut = _TOKEN.sub(rb'\1""', body)
    return cut.replace(token.encode(), b"") if token else cut


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise TransientUpstreamError("a reply is not whole: its JSON does not close") from None
    if not isinstance(parsed, dict):
        raise TransientUpstreamError("a reply is no envelope")
    return cast("dict[str, Any]", parsed)
