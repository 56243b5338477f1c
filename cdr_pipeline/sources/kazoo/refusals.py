"""Translates error responses of the switch to errors that tell whether and when to retry."""

from datetime import datetime, timedelta
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


def refusal(account_id: str, status: int, headers: httpx2.Headers, body: bytes, now: datetime | None) -> UpstreamError:
    """Error for an HTTP status. It quotes only Kazoo's short error code, no other text of the response.

    Args:
        account_id: account of the request.
        status: HTTP status of the response.
        headers: headers of the response.
        body: body of the response.
        now: current time, for a Retry-After that is a date.
    """
    code = error_code(body)
    message = f"account {account_id}: HTTP {status}{f' {code}' if code else ''}"
    error: UpstreamError = UpstreamProtocolError(message)
    if is_range_error(body):
        error = UpstreamProtocolError(f"{message}: the window is longer than the switch allows")
    elif status == _GATEWAY_TIMEOUT:
        error = WindowTooHeavy(message)
    elif status in TRANSIENT:
        error = TransientUpstreamError(message, retry_after_seconds=retry_after_seconds(headers, now))
    elif status in _REFUSED:
        error = UpstreamAuthError(message, hint="check the credentials, and whether they may see this account")
    elif status in NOT_THERE:
        error = UpstreamAccountNotFound(message, hint="check the account id and CDR_API_DIALECT")
    elif status in _REDIRECTS:
        error = UpstreamProtocolError(
            f"{message}: redirects are not followed", hint="set CDR_API_URL to the final address"
        )
    return error


def retry_after_seconds(headers: httpx2.Headers, now: datetime | None) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110: delay or date); None if it is absent or invalid.

    A date is compared with the ``Date`` of the same response, so that the clocks of two machines do not matter.

    Args:
        headers: headers of the response.
        now: current time for a response without ``Date``; None if it is not known, then a date has no meaning.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    sent_at = date_of(headers) or now
    if moment.tzinfo is None or sent_at is None:
        return None
    seconds = (moment - sent_at).total_seconds()
    return seconds if seconds > 0 else None


def date_of(headers: httpx2.Headers) -> datetime | None:
    """Time of a response by the server's clock, from ``Date`` and ``Age``; None if they are missing or invalid.

    A proxy that sends a cached response states its age in seconds in ``Age``.
    """
    try:
        moment = parsedate_to_datetime(headers.get("date", ""))
        age = timedelta(seconds=int(headers.get("age", "0")))
    except (ValueError, OverflowError):
        return None
    return None if moment.tzinfo is None else moment + age


def retry_decision(error: Exception, *, shrinks: bool = False) -> bool | float:
    """Whether to retry, or the seconds to wait before a retry if the server asked for a delay.

    Args:
        error: error of the request.
        shrinks: the caller asks for a shorter window after a gateway timeout, so that one is not retried.
    """
    if not isinstance(error, TransientUpstreamError) or not error.retryable:
        return False
    if shrinks and isinstance(error, WindowTooHeavy):
        return False
    wait = capped(error.retry_after_seconds)
    return True if wait is None else wait


def capped(seconds: float | None) -> float | None:
    """A delay in seconds, limited to ``LONGEST_WAIT_SECONDS``."""
    return None if seconds is None else min(seconds, LONGEST_WAIT_SECONDS)
