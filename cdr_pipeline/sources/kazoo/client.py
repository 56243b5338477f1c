"""Asks the switch. What comes back is whole and free of the token, or it is an error that says whether to ask again."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Self
from urllib.parse import quote

import httpx2
import orjson
import stamina

from cdr_pipeline.errors import (
    ConfigurationError,
    PermanentUpstreamError,
    TransientUpstreamError,
    UpstreamAccountNotFound,
    UpstreamAuthError,
    UpstreamProtocolError,
)
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.kazoo.dialects import Dialect
from cdr_pipeline.sources.kazoo.pace import Pace
from cdr_pipeline.sources.kazoo.pages import Page, error_code, is_range_error, parse_detail, parse_page, without_token
from cdr_pipeline.sources.kazoo.windows import Window

_MAX_BODY_BYTES: Final = 256 * 1024**2
_MAX_PAGES: Final = 100_000
_LARGEST_PAGE: Final = 10_000
_WHOLE_WINDOW: Final = 1_000_000
_ATTEMPTS: Final = 5
_LONGEST_WAIT_SECONDS: Final = 60.0
_TOTAL_SECONDS: Final = 600.0
_JSON: Final = ("application/json", "application/x-json")
_OK: Final = 200
_CREATED: Final = 201
_GATEWAY_TIMEOUT: Final = 504
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_UNAUTHORIZED: Final = 401
_REFUSED: Final = frozenset({401, 403})
_NOT_THERE: Final = frozenset({404, 410, 423})
_REDIRECTS: Final = range(300, 400)


class WindowTooSlow(TransientUpstreamError):
    """A gateway in front of the switch gave up on a window; a shorter one may work."""

    code = "upstream_window_too_slow"


class KazooClient:
    """One switch, one set of credentials. Safe for several threads; use as a context manager.

    Args:
        base_url: scheme, host, port.
        token: authentication token, if there is one.
        api_key: exchanged for a token when there is none, or when the server no longer takes it.
        page_size: rows asked for per page.
        requests_per_second: per account.
        timeout_seconds: longest wait for one answer, body included.
        transport: for tests.
        attempts: how often one request is tried.
        pace: for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str = "",
        api_key: str = "",
        page_size: int = 500,
        requests_per_second: float = 8.0,
        timeout_seconds: float = 60.0,
        transport: httpx2.BaseTransport | None = None,
        attempts: int = _ATTEMPTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base_url
        self._token = token
        self._api_key = api_key
        self._page_size = page_size
        self._timeout = timeout_seconds
        self._attempts = attempts
        self._clock = clock
        self._pace = Pace(requests_per_second)
        self._login = threading.Lock()
        self._http = httpx2.Client(
            timeout=httpx2.Timeout(timeout_seconds, connect=min(10.0, timeout_seconds)),
            follow_redirects=False,
            transport=transport,
            headers={"Accept": "application/json", "User-Agent": "cdr_pipeline"},
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=64),
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A client as configured.

        Raises:
            ConfigurationError: no URL, or neither token nor key.
        """
        if settings.api_url is None:
            raise ConfigurationError("CDR_API_URL is not set: there is no switch to collect from")
        if settings.api_token is None and settings.api_key is None:
            raise ConfigurationError("neither CDR_API_TOKEN nor CDR_API_KEY is set")
        return cls(
            settings.api_url,
            token=settings.api_token.get_secret_value() if settings.api_token else "",
            api_key=settings.api_key.get_secret_value() if settings.api_key else "",
            page_size=settings.api_page_size,
            requests_per_second=settings.api_requests_per_second,
            timeout_seconds=settings.api_timeout_seconds,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def detect_dialect(self, account_id: str) -> Dialect:
        """What the server speaks, from its first answers: the envelope of v2, and whether v1 is gone.

        Raises:
            UpstreamError: as any request.
        """
        try:
            page = parse_page(
                self._get(account_id, f"/v2/accounts/{quote(account_id, safe='')}/cdrs", {"page_size": "1"})
            )
        except UpstreamAccountNotFound:
            self._get(account_id, f"/v1/accounts/{quote(account_id, safe='')}", {})
            return Dialect.SEED_V1
        if not {"node", "version", "timestamp"} & page.envelope:
            return Dialect.V2_K3
        try:
            self._get(account_id, f"/v1/accounts/{quote(account_id, safe='')}", {})
        except UpstreamAccountNotFound:
            return Dialect.K5
        return Dialect.V2_K43

    def pages(self, account_id: str, window: Window, dialect: Dialect) -> Iterator[tuple[bytes, Page]]:
        """Every page of a window: its untouched body but for the token, and what it says.

        Rows may come twice; they are merged once. A key that comes again ends in an error, or on servers that repeat
        whole seconds in larger pages, so that the walk always ends.

        Raises:
            WindowTooSlow: a shorter window may work.
            TransientUpstreamError, PermanentUpstreamError: as their names say.
        """
        path = f"/{dialect.version}/accounts/{quote(account_id, safe='')}/cdrs"
        query = {"created_from": str(window.created_from), "created_to": str(window.created_to)}
        size = self._page_size
        if window.whole:
            size = _WHOLE_WINDOW
            query["paginate"] = "false"
        seen: set[str] = set()
        for _ in range(_MAX_PAGES):
            if dialect.paginated:
                query["page_size"] = str(size)
            body, page = self._page(account_id, path, query)
            yield body, page
            key = page.next_start_key
            if key is None or not dialect.paginated:
                return
            if key in seen or key == query.get("start_key"):
                if not dialect.repeats_seconds or size >= _LARGEST_PAGE:
                    raise UpstreamProtocolError(f"account {account_id}: the server repeats the same page for ever")
                size = min(size * 4, _LARGEST_PAGE)
            seen.add(key)
            query["start_key"] = key
        raise UpstreamProtocolError(f"account {account_id}: more than {_MAX_PAGES} pages in one window")

    def detail(self, account_id: str, record_id: str, dialect: Dialect) -> bytes:
        """The reply of ``/cdrs/{id}``, free of the token, its document checked to be there."""
        account, record = quote(account_id, safe=""), quote(record_id, safe="")
        body = self._get(account_id, f"/{dialect.version}/accounts/{account}/cdrs/{record}", {})
        parse_detail(body)
        return body

    def _page(self, account_id: str, path: str, query: dict[str, str]) -> tuple[bytes, Page]:
        for attempt in self._retries():
            with attempt:
                body = self._once(account_id, path, query)
                return body, parse_page(body)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _get(self, account_id: str, path: str, query: dict[str, str]) -> bytes:
        for attempt in self._retries():
            with attempt:
                return self._once(account_id, path, query)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _retries(self) -> Iterator[stamina.Attempt]:
        return iter(
            stamina.retry_context(
                on=_worth_another_try,
                attempts=self._attempts,
                timeout=_TOTAL_SECONDS,
                wait_initial=0.5,
                wait_max=_LONGEST_WAIT_SECONDS,
            )
        )

    def _once(self, account_id: str, path: str, query: dict[str, str]) -> bytes:
        """One request, and one more after a fresh login when the token has expired."""
        token = self._current_token()
        self._pace.wait(account_id)
        status, headers, body = self._exchange("GET", path, query, token)
        if status == _UNAUTHORIZED and self._api_key:
            token = self._fresh_token(instead_of=token)
            status, headers, body = self._exchange("GET", path, query, token)
        if status != _OK:
            raise _failure(account_id, status, headers, body)
        if not headers.get("content-type", "").lower().startswith(_JSON):
            raise TransientUpstreamError(
                f"account {account_id}: the reply is not JSON but something else with status 200"
            )
        return without_token(body, token)

    def _exchange(
        self, method: str, path: str, query: dict[str, str], token: str, content: bytes | None = None
    ) -> tuple[int, httpx2.Headers, bytes]:
        """Sends and reads whole, within one deadline and one bound on the decoded size."""
        deadline = self._clock() + self._timeout
        headers = {"X-Auth-Token": token} if token else {}
        if content is not None:
            headers["Content-Type"] = "application/json"
        received = bytearray()
        try:
            with self._http.stream(
                method, self._base + path, params=query, headers=headers, content=content
            ) as response:
                for chunk in response.iter_bytes():
                    received += chunk
                    if len(received) > _MAX_BODY_BYTES:
                        raise UpstreamProtocolError(
                            f"a reply unpacks to more than {_MAX_BODY_BYTES // 1024**2} MiB",
                            hint="lower CDR_API_PAGE_SIZE",
                        )
                    if self._clock() > deadline:
                        raise TransientUpstreamError(f"a reply took longer than {self._timeout:g} s")
                return response.status_code, response.headers, bytes(received)
        except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
            raise TransientUpstreamError(f"the switch did not answer whole: {type(error).__name__}") from None
        except httpx2.HTTPError as error:
            raise PermanentUpstreamError(f"the switch cannot be asked: {type(error).__name__}") from None

    def _current_token(self) -> str:
        if not self._token and self._api_key:
            return self._fresh_token(instead_of="")
        return self._token

    def _fresh_token(self, *, instead_of: str) -> str:
        """A new token for the API key; when several threads lose the same token, one logs in for all."""
        with self._login:
            if self._token != instead_of:
                return self._token
            request = orjson.dumps({"data": {"api_key": self._api_key}})
            for version in ("v2", "v1"):
                status, headers, body = self._exchange("PUT", f"/{version}/api_auth", {}, "", request)
                if status in (_OK, _CREATED):
                    token = orjson.loads(body).get("auth_token")
                    if isinstance(token, str) and token:
                        self._token = token
                        return token
                if status not in (404, 410):
                    break
            if status in _TRANSIENT:
                raise _failure("login", status, headers, body)
            raise UpstreamAuthError(
                f"the switch refuses the API key (HTTP {status})", hint="check CDR_API_KEY; nothing was collected"
            )


def _worth_another_try(error: Exception) -> bool | float:
    """Whether to ask again, and after how long when the server has said so."""
    if not isinstance(error, TransientUpstreamError) or isinstance(error, WindowTooSlow):
        return False
    if error.retry_after_seconds is not None:
        return min(error.retry_after_seconds, _LONGEST_WAIT_SECONDS)
    return True


def _failure(place: str, status: int, headers: httpx2.Headers, body: bytes) -> Exception:
    """The error that a status means. Texts of the reply stay out of it, except Kazoo's own short code."""
    code = error_code(body)
    said = f"account {place}: HTTP {status}{f' {code}' if code else ''}"
    error: Exception = UpstreamProtocolError(said)
    if is_range_error(body):
        error = UpstreamProtocolError(f"{said}: the window is longer than the switch allows")
    elif status == _GATEWAY_TIMEOUT:
        error = WindowTooSlow(said)
    elif status in _TRANSIENT:
        error = TransientUpstreamError(said, retry_after_seconds=_retry_after(headers.get("retry-after")))
    elif status in _REFUSED:
        error = UpstreamAuthError(said, hint="check CDR_API_TOKEN or CDR_API_KEY, and whether it may see this account")
    elif status in _NOT_THERE:
        error = UpstreamAccountNotFound(said, hint="check the account id and CDR_API_DIALECT")
    elif status in _REDIRECTS:
        error = UpstreamProtocolError(
            f"{said}: redirects are not followed", hint="set CDR_API_URL to the final address"
        )
    return error


def _retry_after(value: str | None) -> float | None:
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
