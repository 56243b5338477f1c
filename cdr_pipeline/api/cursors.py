"""Page cursors: opaque, signed, and valid only for the search that they were issued for."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

from cdr_pipeline.api.refusals import bad_cursor
from cdr_pipeline.core.records.search import PageKey

_VERSION: Final = 1
_SIGNATURE_BYTES: Final = 16
_LONGEST: Final = 8_192
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """Start of a page and the fixed bounds of its list.

    Attributes:
        key: first record of the page.
        known_at: time at which the first page was read; later pages do not show later changes.
        first: start of the period, inclusive.
        last: end of the period, inclusive.
    """

    key: PageKey
    known_at: datetime
    first: datetime
    last: datetime


def search_digest(account_id: str, route: str, parameters: list[tuple[str, str]]) -> str:
    """Digest of the search of a cursor: account, route, and all parameters that select or order rows."""
    text = orjson.dumps([account_id, route, sorted(parameters)])
    return hashlib.sha256(text).hexdigest()[:32]


def encode_cursor(cursor: Cursor, digest: str, secret: bytes) -> str:
    """The cursor as URL-safe text."""
    body = orjson.dumps(
        [
            _VERSION,
            digest,
            *(_ticks(moment) for moment in (cursor.known_at, cursor.first, cursor.last, cursor.key.moment)),
            cursor.key.record_id,
            cursor.key.origin,
        ]
    )
    return base64.urlsafe_b64encode(_signature(body, secret) + body).rstrip(b"=").decode()


def decode_cursor(text: str, digest: str, secret: bytes) -> Cursor:
    """The cursor that a text encodes.

    Raises:
        RequestRefused: 400, no server of this warehouse issued the cursor for this search.
    """
    if len(text) > _LONGEST:
        raise bad_cursor()
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise bad_cursor() from None
    signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(body, secret)):
        raise bad_cursor()
    # Check the version first: other versions can have a different number of fields.
    version, *rest = orjson.loads(body)
    if version != _VERSION:
        raise bad_cursor()
    cursor_digest, known_at, first, last, moment, record_id, origin = rest
    if cursor_digest != digest:
        raise bad_cursor()
    return Cursor(PageKey(_moment(moment), record_id, origin), _moment(known_at), _moment(first), _moment(last))


def _signature(body: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, body, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _ticks(moment: datetime) -> int:
    whole_second = moment.replace(microsecond=0)
    return int(whole_second.timestamp()) * _MICROSECONDS + moment.microsecond


def _moment(ticks: int) -> datetime:
    seconds, microseconds = divmod(ticks, _MICROSECONDS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
