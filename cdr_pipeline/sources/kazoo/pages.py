"""What a reply says. A page counts only when its body is whole: JSON that closes, rows, and the trailer behind them.

White labels of the switch drift: keys in capitals, numbers as text. Keys are folded here, so that nobody below needs to
know; types are read leniently where they are normalised.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

import msgspec
import orjson
import polars as pl

from cdr_pipeline.core.normalize.kazoo import INVALID_TEXT
from cdr_pipeline.core.time.timestamps import GREGORIAN_UNIX_OFFSET
from cdr_pipeline.errors import TransientUpstreamError
from cdr_pipeline.sources.kazoo.alike import alike_rows

# By exact names: a pattern that ignores case is tried at every quote of a page.
_TOKENS: Final = {
    name: re.compile(rb'("' + name + rb'"\s*:\s*)"[^"\\]*(?:\\.[^"\\]*)*"')
    for name in (b"auth_token", b"AUTH_TOKEN", b"Auth_Token")
}
_SHORTEST_TOKEN: Final = 16
_CODE: Final = re.compile(r"[a-zA-Z_ ]{1,60}")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SPACED_COLON: Final = re.compile(rb'"\s+:')
# A serialiser spaces its output evenly: the beginning of a page tells.
_TELLING_BYTES: Final = 4096

# Rows are cut out of the body as they stand: only their keys become objects, which is several times as fast as parsing.
_Row = dict[str, msgspec.Raw]
_ENVELOPE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CUT: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ROWS: Final = msgspec.json.Decoder(list[_Row])
# Switches count Gregorian seconds, some white labels Unix seconds.
_SMALLEST_GREGORIAN: Final = 60_000_000_000


class _Span(msgspec.Struct):
    """When a listed call began, and how long it lasted."""

    timestamp: Any = None
    duration_seconds: Any = None


_SPANS: Final = msgspec.json.Decoder(list[_Span])


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        listed: the rows as a JSON list, as the server wrote them but for folded keys.
        rows: their number.
        keys: union of their keys.
        next_start_key: where the next page begins, None on the last.
        envelope: keys of the envelope, which tell the server's version.
        plain: the rows stand in the body just so; ``cut_page`` finds them without looking at their keys.
        page_size: what the envelope says about the number of rows; None when it says nothing.
        tokens_left: requests that the server's rate limit still allows, where it says so (5.x).
    """

    listed: bytes
    rows: int
    keys: frozenset[str]
    next_start_key: str | None
    envelope: frozenset[str]
    plain: bool = True
    page_size: int | None = None
    tokens_left: int | None = None

    @property
    def ndjson(self) -> bytes:
        """The rows, one JSON object a line. Cut at each call: who only lands a page has no use for it."""
        return _lines_of(self.listed)


def parse_page(body: bytes) -> Page:
    """The page in a reply.

    A row whose text is no Unicode (lone surrogates, broken UTF-8) is kept, repaired and marked, so that it alone is
    rejected.

    Raises:
        TransientUpstreamError: it is cut, is no JSON, says a key twice, or is no list of rows; asking again can help.
    """
    try:
        _require_unicode(body)
        raw = _envelope_of(body)
        alike = alike_rows(bytes(raw["data"])) if _whole_envelope(raw) else None
        if alike is not None:
            return _page(raw, bytes(raw["data"]), *alike, plain=True)
        raw, rows = _rows_of(body)
        plain = True
    except (msgspec.MsgspecError, RecursionError, pl.exceptions.PolarsError):
        body = _repaired(body)
        plain = False
        try:
            raw, rows = _rows_of(body)
        except (msgspec.MsgspecError, RecursionError):
            raise TransientUpstreamError("a reply is not whole: its JSON does not close") from None
    if not _whole_envelope(raw) or rows is None:
        raise TransientUpstreamError("a page came without rows or without its trailer")
    listed = bytes(raw["data"])
    _require_single_keys(listed, rows)
    keys = frozenset[str]().union(*rows)
    if any(key != key.lower() for key in keys):
        rows = [_folded(row) for row in rows]
        plain = False
        listed = msgspec.json.encode(rows)
        keys = frozenset[str]().union(*rows)
    return _page(raw, listed, len(rows), keys, plain=plain)


def _page(raw: _Row, listed: bytes, rows: int, keys: frozenset[str], *, plain: bool) -> Page:
    key = _text(raw.get("next_start_key"))
    return Page(
        listed=listed,
        rows=rows,
        keys=keys,
        next_start_key=key or None,
        envelope=frozenset(raw),
        plain=plain,
        page_size=_whole(_text(raw.get("page_size"))),
        tokens_left=_tokens_left(raw.get("tokens")),
    )


def cut_page(body: bytes) -> bytes:
    """The rows of a page that was found plain when it landed, one JSON object a line."""
    return _lines_of(_envelope_of(body)["data"])


def parse_detail(body: bytes) -> bytes:
    """The document in a detail reply, as compact JSON with folded keys; one nested too deep for that as it stands.

    Raises:
        TransientUpstreamError: there is none.
    """
    try:
        document = data_of(body)
        if not isinstance(document, dict):
            raise TransientUpstreamError("a detail reply holds no document")
        return orjson.dumps(document)
    except (RecursionError, orjson.JSONEncodeError):
        # The checks of the loaded row reject it by name; here it would stop the whole window.
        return bytes(_envelope_of(body)["data"]).replace(b"\n", b" ").replace(b"\r", b" ")


def data_of(body: bytes) -> Any:  # noqa: ANN401 - an object, a list or a text, whatever the route gives
    """The ``data`` of a reply, its keys folded to lower case.

    Raises:
        TransientUpstreamError: the reply is not whole.
    """
    return _folded_deep(_envelope(body).get("data"))


def token_of(body: bytes) -> tuple[str, str]:
    """The token that a login's answer brings, and the account that it is for; "" for what it does not say.

    The token stands at the top level, the account within ``data`` (Kazoo).
    """
    try:
        envelope = _folded_deep(_envelope(body))
    except TransientUpstreamError:
        return "", ""
    token, data = envelope.get("auth_token"), envelope.get("data")
    owner = cast("dict[str, Any]", data).get("account_id") if isinstance(data, dict) else None
    return token if isinstance(token, str) else "", owner if isinstance(owner, str) else ""


def next_key_of(body: bytes) -> str | None:
    """Where the next page of a reply begins, None on the last one."""
    key = _envelope(body).get("next_start_key")
    return str(key) if key else None


def record_ids(ndjson: bytes) -> list[str]:
    """Ids of list rows, each once, in order."""
    if not ndjson:
        return []
    ids = pl.read_ndjson(ndjson, schema={"id": pl.String})["id"]
    return ids.drop_nulls().unique(maintain_order=True).to_list()


def longest_over(listed: bytes, edge: int) -> int:
    """Seconds of the longest call in a list of rows that began before an instant and ended at it or later; 0 for none.

    Args:
        listed: a JSON list of rows with folded keys.
        edge: Gregorian second.
    """
    longest = 0
    for row in _SPANS.decode(listed):
        began, seconds = _whole(str(row.timestamp)), _whole(str(row.duration_seconds))
        if began is None or seconds is None:
            continue
        if began < _SMALLEST_GREGORIAN:
            began += GREGORIAN_UNIX_OFFSET
        if began < edge <= began + seconds:
            longest = max(longest, seconds)
    return longest


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
    """The body without the token that the server echoes, by name and by value.

    Real tokens have 32 characters and more; one as short as a word is only cut by name, lest it be cut out of words.
    """
    for name, pattern in _TOKENS.items():
        at = body.find(b'"' + name + b'"')
        if at >= 0:
            # It stands in the trailer: the rows before it need no look by the pattern, which is slower.
            body = body[:at] + pattern.sub(rb'\1""', body[at:])
            break
    return body.replace(token.encode(), b"") if len(token) >= _SHORTEST_TOKEN else body


def _lines_of(listed: bytes | msgspec.Raw) -> bytes:
    lines = list(map(bytes, _CUT.decode(listed)))
    joined = b"\n".join(lines)
    if joined.count(b"\n") >= max(len(lines), 1) or b"\r" in joined:
        # Between the tokens of a pretty-printed row; inside a text a line break is always escaped.
        joined = b"\n".join(line.replace(b"\n", b" ").replace(b"\r", b" ") for line in lines)
    return joined


def _envelope_of(body: bytes) -> _Row:
    raw = _ENVELOPE.decode(body)
    return raw if "data" in raw else _folded(raw)


def _whole_envelope(raw: _Row) -> bool:
    return "data" in raw and _text(raw.get("status")) == "success"


def _rows_of(body: bytes) -> tuple[_Row, list[_Row] | None]:
    """The envelope and its rows, every value still in JSON."""
    raw = _envelope_of(body)
    return raw, _ROWS.decode(raw["data"]) if "data" in raw else None


def _folded(row: _Row) -> _Row:
    """Keys in lower case; one that is there in lower case already is not overwritten."""
    return {(low if (low := key.lower()) not in row else key): value for key, value in row.items()}


def _folded_deep(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        known = cast("dict[str, Any]", value)
        return {
            (low if (low := key.lower()) not in known else key): _folded_deep(child) for key, child in known.items()
        }
    if isinstance(value, list):
        return [_folded_deep(child) for child in cast("list[Any]", value)]
    return value


def _require_unicode(body: bytes) -> None:
    """Raises PolarsError when a body is not UTF-8; several times as fast as decoding it."""
    pl.Series([body], dtype=pl.Binary).cast(pl.String)


def _require_single_keys(data: bytes, rows: list[_Row]) -> None:
    """Every parser keeps one of two equal keys; which one is a guess that this client does not make."""
    pairs = data.count(b'":')
    if b"\\" in data:
        pairs -= data.count(b'\\":')
    if pairs == sum(map(len, rows)) and not _SPACED_COLON.search(data, 0, _TELLING_BYTES):
        return
    _strictly(data.decode())


def _strictly(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Parses by the letter of the standard: no key twice, no NaN.

    Raises:
        TransientUpstreamError: it does not parse.
    """
    try:
        return json.loads(text, object_pairs_hook=_single, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise TransientUpstreamError("a reply is not whole: its JSON does not close or contradicts itself") from None


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the same key twice")
    return found


def _refuse(_: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _repaired(body: bytes) -> bytes:
    """A body whose JSON closes but whose text is no Unicode, with the rows that this concerns marked.

    Raises:
        TransientUpstreamError: the JSON does not close, or holds something else than rows.
    """
    envelope = _strictly(body.decode("utf-8", "surrogateescape"))
    folded = _folded_deep(envelope) if isinstance(envelope, dict) else {}
    rows = folded.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in cast("list[Any]", rows)):
        raise TransientUpstreamError("a page holds entries that are no records")
    folded["data"] = [_unicode(row) for row in cast("list[dict[str, Any]]", rows)]
    text = json.dumps(folded, ensure_ascii=False)
    return _LONE_SURROGATE.sub("\ufffd", text).encode()


def _unicode(row: dict[str, Any]) -> dict[str, Any]:
    return row | {INVALID_TEXT: "true"} if _LONE_SURROGATE.search(json.dumps(row, ensure_ascii=False)) else row


def _text(raw: msgspec.Raw | None) -> str:
    """A scalar of the envelope as text, "" when it is missing or none."""
    value = None if raw is None else msgspec.json.decode(raw)
    return str(value) if isinstance(value, str | int) else ""


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _tokens_left(raw: msgspec.Raw | None) -> int | None:
    tokens = None if raw is None else msgspec.json.decode(raw)
    left = cast("dict[str, Any]", tokens).get("remaining") if isinstance(tokens, dict) else None
    return left if isinstance(left, int) else None


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = _strictly(_LONE_SURROGATE.sub("\ufffd", body.decode("utf-8", "replace")))
    if not isinstance(parsed, dict):
        raise TransientUpstreamError("a reply is no envelope")
    found = cast("dict[str, Any]", parsed)
    return found if "data" in found else {key.lower(): value for key, value in found.items()}
