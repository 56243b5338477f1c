"""What a reply that is no answer means: an error that says whether to ask again, and after how long."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2

from cdr_pipeline.errors import (
    TransientUpstreamError,
    UpstreamAccountNotFound,
    UpstreamAuthError,
    UpstreamError,
    UpstreamProtocolError,
    WindowTooHeavy,
)
from cdr_pipeline.sources.kazoo.pages import error_code, is_range_error

_GATEWAY_TIMEOUT: Final = 504
TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_REFUSED: Final = frozenset({401, 403})
NOT_THERE: Final = frozenset({404, 410, 423})
_REDIRECTS: Final = range(300, 400)
LONGEST_WAIT_SECONDS: Final = 60.0


def refusal(place: str, status: int, headers: httpx2.Headers, body: bytes) -> UpstreamError:
    """The error that a status means. Texts of the reply stay out of it, except Kazoo's own short code."""
    code = error_code(body)
    said = f"account {place}: HTTP {status}{f' {code}' if code else ''}"
    error: UpstreamError = UpstreamProtocolError(said)
    if is_range_error(body):
        error = UpstreamProtocolError(f"{said}: the window is longer than the switch allows")
    elif status == _GATEWAY_TIMEOUT:
        error = WindowTooHeavy(said)
    elif status in TRANSIENT:
        error = TransientUpstreamError(said, retry_after_seconds=retry_after_seconds(headers.get("retry-after")))
    elif status in _REFUSED:
        error = UpstreamAuthError(said, hint="check the credentials, and whether they may see this account")
    elif status in NOT_THERE:
        error = UpstreamAccountNotFound(said, hint="check the account id and CDR_API_DIALECT")
    elif status in _REDIRECTS:
        error = UpstreamProtocolError(
            f"{said}: redirects are not followed", hint="set CDR_API_URL to the final address"
        )
    return error


def retry_after_seconds(value: str | None) -> float | None:
    """Seconds that a Retry-After asks for (RFC 9110: delay or date); None when it is absent or makes no sense."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return seconds if seconds > 0 else None


def date_of(headers: httpx2.Headers) -> datetime | None:
    """When a reply was made by the server's clock; None where its Date is missing or makes no sense.

    A proxy that sends a stored reply says how old it is (Age).
    """
    try:
        moment = parsedate_to_datetime(headers.get("date", ""))
        age = timedelta(seconds=int(headers.get("age", "0")))
    except (ValueError, OverflowError):
        return None
    return None if moment.tzinfo is None else moment + age


def retry_decision(error: Exception, *, shrinks: bool = False) -> bool | float:
    """Whether to ask again, and after how long when the server has said so.

    Args:
        error: what came of the request.
        shrinks: the caller asks for a shorter window when a gateway gives up on one.
    """
    if not isinstance(error, TransientUpstreamError) or not error.retryable:
        return False
    if shrinks and isinstance(error, WindowTooHeavy):
        return False
    wait = capped(error.retry_after_seconds)
    return True if wait is None else wait


def capped(seconds: float | None) -> float | None:
    """A wait that the server asks for, in seconds, no longer than one is ever waited for."""
    return None if seconds is None else min(seconds, LONGEST_WAIT_SECONDS)
