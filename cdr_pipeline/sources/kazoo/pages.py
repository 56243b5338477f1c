"""Parses replies of the switch. A page is accepted only if it is complete: valid JSON, rows, and the trailer.

White-label versions of the switch differ: some send keys in capitals or numbers as text. This module folds keys to
lower case. Types are not converted here but in ``core.normalize``.
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

# Exact names, because a pattern that ignores case is tried at every quote of a page.
_TOKENS: Final = {
    name: re.compile(rb'("' + name + rb'"\s*:\s*)"[^"\\]*(?:\\.[^"\\]*)*"')
    for name in (b"auth_token", b"AUTH_TOKEN", b"Auth_Token")
}
_SHORTEST_TOKEN: Final = 16
_CODE: Final = re.compile(r"[a-zA-Z_ ]{1,60}")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SPACED_COLON: Final = re.compile(rb'"\s+:')
# A serialiser spaces its output evenly, so the beginning of a page is enough to detect spaces before colons.
_SPACING_SAMPLE_BYTES: Final = 4096

# Rows are cut out of the body unparsed: only their keys become objects, which is several times as fast as parsing.
_Row = dict[str, msgspec.Raw]
_ENVELOPE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CUT: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ROWS: Final = msgspec.json.Decoder(list[_Row])
# Switches use Gregorian seconds, some white labels Unix seconds.
_SMALLEST_GREGORIAN: Final = 60_000_000_000


class _Span(msgspec.Struct):
    """Start and duration of a listed call."""

    timestamp: Any = None
    duration_seconds: Any = None


_SPANS: Final = msgspec.json.Decoder(list[_Span])


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        listed: the rows as a JSON list, as the server wrote them except for folded keys.
        rows: number of rows.
        keys: union of the rows' keys.
        next_start_key: key at which the next page begins, None on the last page.
        envelope: keys of the envelope, which depend on the server's version.
        plain: whether ``listed`` is unchanged from the body, so that ``cut_page`` can take the rows from it.
        page_size: ``page_size`` of the envelope, None if it is missing.
        tokens_left: requests that the server's rate limit still allows, None if the server does not report it (5.x
            does).
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
        """The rows, one JSON object a line. Computed at each call, because landing a page does not need it."""
        return _lines_of(self.listed)

    @property
    def record_ids(self) -> list[str]:
        """Distinct ids of the rows, in order."""
        if not self.rows:
            return []
        ids = pl.read_ndjson(self.ndjson, schema={"id": pl.String})["id"]
        return ids.drop_nulls().unique(maintain_order=True).to_list()


def parse_page(body: bytes) -> Page:
    """Parses a reply that holds one page of a list.

    A row with invalid Unicode (lone surrogates, broken UTF-8) is repaired and marked, so that only this row is
    rejected later.

    Raises:
        TransientUpstreamError: the reply is truncated, is not JSON, has a duplicate key, or is not a list of rows. A
            retry can help.
    """
    try:
        _require_unicode(body)
        raw = _envelope_of(body)
        alike = alike_rows(bytes(raw["data"])) if _is_complete(raw) else None
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
            raise TransientUpstreamError("a reply is incomplete: its JSON does not close") from None
    if not _is_complete(raw) or rows is None:
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
        page_size=_integer(_text(raw.get("page_size"))),
        tokens_left=_tokens_left(raw.get("tokens")),
    )


def cut_page(body: bytes) -> bytes:
    """Rows of a landed page whose ``plain`` was true, one JSON object a line."""
    return _lines_of(_envelope_of(body)["data"])


def parse_detail(body: bytes) -> bytes:
    """The document in a detail reply, as compact JSON with folded keys. A document nested too deep is not folded.

    Raises:
        TransientUpstreamError: the reply holds no document.
    """
    try:
        document = data_of(body)
        if not isinstance(document, dict):
            raise TransientUpstreamError("a detail reply holds no document")
        return orjson.dumps(document)
    except (RecursionError, orjson.JSONEncodeError):
        # Validation rejects the loaded row with a reason. An error here would fail the window.
        return bytes(_envelope_of(body)["data"]).replace(b"\n", b" ").replace(b"\r", b" ")


def data_of(body: bytes) -> Any:  # noqa: ANN401 - an object, a list or a text, depending on the route
    """The ``data`` of a reply, with keys folded to lower case.

    Raises:
        TransientUpstreamError: the reply is incomplete.
    """
    return _folded_deep(_envelope(body).get("data"))


def token_of(body: bytes) -> tuple[str, str]:
    """Token and account id in the response to a login; "" for a missing one.

    In Kazoo the token is at the top level and the account id in ``data``.
    """
    try:
        envelope = _folded_deep(_envelope(body))
    except TransientUpstreamError:
        return "", ""
    token, data = envelope.get("auth_token"), envelope.get("data")
    owner = cast("dict[str, Any]", data).get("account_id") if isinstance(data, dict) else None
    return token if isinstance(token, str) else "", owner if isinstance(owner, str) else ""


def next_key_of(body: bytes) -> str | None:
    """Key at which the next page begins, None on the last page."""
    key = _envelope(body).get("next_start_key")
    return str(key) if key else None


def longest_over(listed: bytes, edge: int) -> int:
    """Seconds of the longest listed call that began before an instant and ended at it or later; 0 if there is none.

    Args:
        listed: JSON list of rows with folded keys.
        edge: the instant, in Gregorian seconds.
    """
    longest = 0
    for row in _SPANS.decode(listed):
        began, seconds = _integer(str(row.timestamp)), _integer(str(row.duration_seconds))
        if began is None or seconds is None:
            continue
        if began < _SMALLEST_GREGORIAN:
            began += GREGORIAN_UNIX_OFFSET
        if began < edge <= began + seconds:
            longest = max(longest, seconds)
    return longest


def error_code(body: bytes) -> str:
    """Kazoo's short error code in a reply, "" if it has none. Never free text, which may quote the request."""
    try:
        message = _envelope(body).get("message")
    except TransientUpstreamError:
        return ""
    return message if isinstance(message, str) and _CODE.fullmatch(message) else ""


def is_range_error(body: bytes) -> bool:
    """Whether a reply rejects the window as too long or reversed; 3.x does this with status 500."""
    return b'"date_range"' in body


def without_token(body: bytes, token: str) -> bytes:
    """Removes the token that the server echoes from a body, by name and by value.

    Real tokens have 32 characters or more. A token as short as a word is removed by name only, because the same
    characters may occur in other words.
    """
    for name, pattern in _TOKENS.items():
        start = body.find(b'"' + name + b'"')
        if start >= 0:
            # The token is in the trailer. Skipping the rows before it saves time, because the pattern is slower.
            body = body[:start] + pattern.sub(rb'\1""', body[start:])
            break
    return body.replace(token.encode(), b"") if len(token) >= _SHORTEST_TOKEN else body


def _lines_of(listed: bytes | msgspec.Raw) -> bytes:
    lines = list(map(bytes, _CUT.decode(listed)))
    joined = b"\n".join(lines)
    if joined.count(b"\n") >= max(len(lines), 1) or b"\r" in joined:
        # Line breaks between the tokens of a pretty-printed row; inside a text they are always escaped.
        joined = b"\n".join(line.replace(b"\n", b" ").replace(b"\r", b" ") for line in lines)
    return joined


def _envelope_of(body: bytes) -> _Row:
    raw = _ENVELOPE.decode(body)
    return raw if "data" in raw else _folded(raw)


def _is_complete(raw: _Row) -> bool:
    return "data" in raw and _text(raw.get("status")) == "success"


def _rows_of(body: bytes) -> tuple[_Row, list[_Row] | None]:
    """The envelope and its rows, with every value still encoded as JSON."""
    raw = _envelope_of(body)
    return raw, _ROWS.decode(raw["data"]) if "data" in raw else None


def _folded(row: _Row) -> _Row:
    """Folds keys to lower case, without overwriting a key that exists in lower case already."""
    return {(low if (low := key.lower()) not in row else key): value for key, value in row.items()}


def _folded_deep(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        return {
            (low if (low := key.lower()) not in entries else key): _folded_deep(child) for key, child in entries.items()
        }
    if isinstance(value, list):
        return [_folded_deep(child) for child in cast("list[Any]", value)]
    return value


def _require_unicode(body: bytes) -> None:
    """Raises PolarsError if a body is not UTF-8. Several times as fast as decoding it."""
    pl.Series([body], dtype=pl.Binary).cast(pl.String)


def _require_single_keys(data: bytes, rows: list[_Row]) -> None:
    """Raises TransientUpstreamError if a row has a duplicate key, because parsers differ in which value they keep."""
    pairs = data.count(b'":')
    if b"\\" in data:
        pairs -= data.count(b'\\":')
    if pairs == sum(map(len, rows)) and not _SPACED_COLON.search(data, 0, _SPACING_SAMPLE_BYTES):
        return
    _strictly(data.decode())


def _strictly(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Parses strict JSON: no duplicate keys, no NaN.

    Raises:
        TransientUpstreamError: the text is not strict JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_single, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise TransientUpstreamError("a reply is incomplete: its JSON does not close or contradicts itself") from None


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("duplicate key")
    return entries


def _refuse(_: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _repaired(body: bytes) -> bytes:
    """Repairs a body of complete JSON with invalid Unicode, and marks the rows with invalid text.

    Raises:
        TransientUpstreamError: the JSON is incomplete, or holds something other than rows.
    """
    envelope = _strictly(body.decode("utf-8", "surrogateescape"))
    folded = _folded_deep(envelope) if isinstance(envelope, dict) else {}
    rows = folded.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in cast("list[Any]", rows)):
        raise TransientUpstreamError("a page holds entries that are not records")
    folded["data"] = [_unicode(row) for row in cast("list[dict[str, Any]]", rows)]
    text = json.dumps(folded, ensure_ascii=False)
    return _LONE_SURROGATE.sub("\ufffd", text).encode()


def _unicode(row: dict[str, Any]) -> dict[str, Any]:
    return row | {INVALID_TEXT: "true"} if _LONE_SURROGATE.search(json.dumps(row, ensure_ascii=False)) else row


def _text(raw: msgspec.Raw | None) -> str:
    """A scalar of the envelope as text, "" if it is missing or not a scalar."""
    value = None if raw is None else msgspec.json.decode(raw)
    return str(value) if isinstance(value, str | int) else ""


def _integer(text: str) -> int | None:
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
        raise TransientUpstreamError("a reply is not a JSON object")
    envelope = cast("dict[str, Any]", parsed)
    return envelope if "data" in envelope else {key.lower(): value for key, value in envelope.items()}
