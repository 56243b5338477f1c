"""Asks the switch. What comes back is whole and free of the token, or it is an error that says whether to ask again."""

import logging
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar, cast
from urllib.parse import quote, urlsplit

import httpx2
import stamina
from stamina.instrumentation import RetryDetails

from cdr_pipeline.errors import (
    ConfigurationError,
    PermanentUpstreamError,
    TransientUpstreamError,
    UpstreamAccountNotFound,
    UpstreamAuthError,
    UpstreamProtocolError,
    WindowTooHeavy,
)
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.kazoo.dialects import Dialect
from cdr_pipeline.sources.kazoo.pace import Pace
from cdr_pipeline.sources.kazoo.pages import (
    Page,
    data_of,
    error_code,
    is_range_error,
    next_key_of,
    parse_detail,
    parse_page,
    token_of,
    without_token,
)
from cdr_pipeline.sources.kazoo.session import Credentials, Session
from cdr_pipeline.sources.kazoo.unpacking import Unpacking
from cdr_pipeline.sources.kazoo.windows import Window

# They write every URL at INFO, and a URL may hold the token where a server takes it no other way.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_log = logging.getLogger(__name__)


def _say(details: RetryDetails) -> None:
    """One line of our own log a retry, instead of a library's to standard output."""
    _log.info("%s; asked again in %.1f s", details.caused_by, details.wait_for)


stamina.instrumentation.set_on_retry_hooks([_say])

_Answer = TypeVar("_Answer")
# Parsed, a reply of this size takes about 150 MB.
_MAX_BODY_BYTES: Final = 64 * 1024**2
_MAX_PAGES: Final = 100_000
_LARGEST_PAGE: Final = 10_000
_WHOLE_WINDOW: Final = 1_000_000
_ATTEMPTS: Final = 5
_LONGEST_WAIT_SECONDS: Final = 60.0
_TOTAL_SECONDS: Final = 600.0
_JSON: Final = ("application/json", "application/x-json")
_OK: Final = 200
_CREATED: Final = 201
_TOO_MANY: Final = 429
_GATEWAY_TIMEOUT: Final = 504
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_UNAUTHORIZED: Final = 401
_REFUSED: Final = frozenset({401, 403})
_NOT_THERE: Final = frozenset({404, 410, 423})
_REDIRECTS: Final = range(300, 400)


class KazooClient:
    """One switch, one set of credentials. Safe for several threads; use as a context manager.

    Args:
        base_url: scheme, host, port.
        credentials: token, API key or user.
        session_dir: where the token is shared with other processes; None keeps it in memory.
        page_size: rows asked for per page.
        requests_per_second: per account.
        host_requests_per_second: of all accounts together.
        timeout_seconds: longest wait for one answer, body included.
        token_in_query: for servers that take the token no other way.
        attempts: how often one request is tried.
        verify: certificate authorities to trust besides the system's, for tests; verification cannot be switched off.
        clock: for tests.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        session_dir: Path | None = None,
        page_size: int = 500,
        requests_per_second: float = 8.0,
        host_requests_per_second: float = 200.0,
        timeout_seconds: float = 60.0,
        token_in_query: bool = False,
        attempts: int = _ATTEMPTS,
        verify: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base_url
        self._host = urlsplit(base_url).hostname or "the switch"
        self._session = Session(credentials, session_dir, credentials.fingerprint(base_url))
        self._page_size = page_size
        self._timeout = timeout_seconds
        self._token_in_query = token_in_query
        self._attempts = attempts
        self._clock = clock
        self.pace = Pace(requests_per_second, host_requests_per_second)
        self._http = httpx2.Client(
            timeout=httpx2.Timeout(timeout_seconds, connect=min(10.0, timeout_seconds)),
            follow_redirects=False,
            verify=True if verify is None else verify,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "cdr_pipeline"},
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=64),
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A client as configured.

        Raises:
            ConfigurationError: no URL, or no credentials.
        """
        if settings.api_url is None:
            raise ConfigurationError("CDR_API_URL is not set: there is no switch to collect from")
        return cls(
            settings.api_url,
            Credentials.from_settings(settings),
            session_dir=settings.session_dir,
            page_size=settings.api_page_size,
            requests_per_second=settings.api_requests_per_second,
            host_requests_per_second=settings.api_host_requests_per_second,
            timeout_seconds=settings.api_timeout_seconds,
            token_in_query=settings.api_token_in_query,
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
            path = f"/v2/accounts/{quote(account_id, safe='')}/cdrs"
            _, page = self._page(account_id, path, {"page_size": "1"})
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
            WindowTooHeavy: a shorter window may work.
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

    def descendants(self, account_id: str, *, version: str = "v2") -> list[dict[str, Any]]:
        """Every account below one, as the switch lists them (id, name, realm, tree), all pages.

        Raises:
            TransientUpstreamError, PermanentUpstreamError: as their names say.
        """
        path = f"/{version}/accounts/{quote(account_id, safe='')}/descendants"
        query: dict[str, str] = {}
        found: list[dict[str, Any]] = []
        seen: set[str] = set()
        while True:
            body = self._get(account_id, path, query)
            data = data_of(body)
            if not isinstance(data, list):
                raise UpstreamProtocolError(f"account {account_id}: its descendants came in no list")
            found += [row for row in cast("list[Any]", data) if isinstance(row, dict)]
            key = next_key_of(body)
            if key is None:
                return found
            if key in seen:
                raise UpstreamProtocolError(f"account {account_id}: the server repeats the same page for ever")
            seen.add(key)
            query = {"start_key": key}

    def account(self, account_id: str, *, version: str = "v2") -> dict[str, Any]:
        """An account's own document (id, name, realm, timezone ...).

        Raises:
            TransientUpstreamError, PermanentUpstreamError: as their names say.
        """
        data = data_of(self._get(account_id, f"/{version}/accounts/{quote(account_id, safe='')}", {}))
        if not isinstance(data, dict):
            raise UpstreamProtocolError(f"account {account_id}: its document is none")
        return cast("dict[str, Any]", data)

    def own_account(self) -> str:
        """Id of the account that the credentials belong to, as the login's answer names it.

        Raises:
            ConfigurationError: there is only a token, which names no account.
            UpstreamAuthError: refused.
        """
        if not self._session.credentials.renewable:
            raise ConfigurationError("a token does not say whose it is", hint="name the account with --root")
        account: list[str] = []
        self._session.renew(self._session.token(), lambda: self._log_in(account))
        if not account:
            raise ConfigurationError("the switch did not say whose credentials these are", hint="name it with --root")
        return account[0]

    def _page(self, account_id: str, path: str, query: dict[str, str]) -> tuple[bytes, Page]:
        def asked() -> tuple[bytes, Page]:
            body = self._once(account_id, path, query)
            page = parse_page(body)
            _require_whole(page, query)
            self.pace.answered(account_id, page.tokens_left)
            return body, page

        return self._tried(asked)

    def _get(self, account_id: str, path: str, query: dict[str, str]) -> bytes:
        def asked() -> bytes:
            body = self._once(account_id, path, query)
            self.pace.answered(account_id)
            return body

        return self._tried(asked)

    def _tried(self, asked: Callable[[], _Answer]) -> _Answer:
        """Asks until there is an answer that can be trusted, with backoff, jitter and an end.

        A reply that is no JSON at all is asked for once more and then taken for what the address serves.
        """
        other_than_json = 0
        for attempt in stamina.retry_context(
            on=_worth_another_try,
            attempts=self._attempts,
            timeout=_TOTAL_SECONDS,
            wait_initial=0.5,
            wait_max=_LONGEST_WAIT_SECONDS,
        ):
            with attempt:
                try:
                    return asked()
                except _NotJson as error:
                    other_than_json += 1
                    if other_than_json > 1:
                        raise UpstreamProtocolError(error.message, hint="check CDR_API_URL") from None
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, account_id: str, path: str, query: dict[str, str]) -> bytes:
        """One request, and one more after a fresh login when the token has expired."""
        token = self._session.token() or self._renewed("")
        self.pace.wait(account_id)
        status, headers, body = self._exchange("GET", path, query, token)
        if status == _UNAUTHORIZED and self._session.credentials.renewable:
            token = self._renewed(token)
            self.pace.wait(account_id)
            status, headers, body = self._exchange("GET", path, query, token)
        if status == _TOO_MANY:
            self.pace.refused(account_id, _capped(_retry_after(headers.get("retry-after"))))
        if status != _OK:
            raise _failure(account_id, status, headers, body)
        if not headers.get("content-type", "").lower().startswith(_JSON):
            raise _NotJson(f"account {account_id}: the reply is not JSON but something else with status 200")
        return without_token(body, token)

    def _exchange(
        self, method: str, path: str, query: dict[str, str], token: str, content: bytes | None = None
    ) -> tuple[int, httpx2.Headers, bytes]:
        """Sends and reads whole, within one deadline and one bound on the decoded size."""
        deadline = self._clock() + self._timeout
        headers: dict[str, str] = {}
        if token and self._token_in_query:
            query = query | {"auth_token": token}
        elif token:
            headers["X-Auth-Token"] = token
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            with self._http.stream(
                method, self._base + path, params=query, headers=headers, content=content
            ) as response:
                body = Unpacking(response.headers.get("content-encoding", ""), limit=_MAX_BODY_BYTES)
                for chunk in response.iter_raw():
                    body.feed(chunk)
                    if self._clock() > deadline:
                        raise TransientUpstreamError(f"a reply of {self._host} took longer than {self._timeout:g} s")
                return response.status_code, response.headers, body.finished()
        except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
            if _is_certificate_error(error):
                raise PermanentUpstreamError(
                    f"the certificate of {self._host} cannot be trusted",
                    hint="the switch needs a valid one; an own authority is named by SSL_CERT_FILE",
                ) from None
            raise TransientUpstreamError(f"{self._host} did not answer whole: {type(error).__name__}") from None
        except httpx2.HTTPError as error:
            raise PermanentUpstreamError(f"{self._host} cannot be asked: {type(error).__name__}") from None

    def _renewed(self, expired: str) -> str:
        """A token in place of the one that is refused."""
        return self._session.renew(expired, self._log_in)

    def _log_in(self, account: list[str] | None = None) -> str:
        """Buys a token. The login's own bucket is the host's: it costs 35 of an account's requests."""
        route, content = self._session.credentials.login()
        status, headers, body = 0, httpx2.Headers(), b""
        for version in ("v2", "v1"):
            status, headers, body = self._exchange("PUT", f"/{version}/{route}", {}, "", content)
            if status in (_OK, _CREATED):
                token, owner = token_of(body)
                if token:
                    if account is not None and owner:
                        account.append(owner)
                    return token
            if status not in _NOT_THERE:
                break
        if status in _TRANSIENT:
            raise _failure("login", status, headers, body)
        raise UpstreamAuthError(
            f"the switch refuses the credentials (HTTP {status})",
            hint=f"check {self._session.credentials.setting}; nothing was collected",
        )


class _NotJson(TransientUpstreamError):
    """Status 200, but no JSON: a captive portal, a maintenance page, the wrong address."""


def _require_whole(page: Page, query: dict[str, str]) -> None:
    """A page that says how many rows it has must have them; those servers fill pages up while there are more rows.

    On 3.x the number is the size that was asked for and a page may be short, so only an answer in text is held to it.
    """
    said = page.page_size
    counted = "node" in page.envelope and "page_size" in query
    if counted and said is not None and said != page.rows:
        raise TransientUpstreamError(f"a page came short: {page.rows} of {said} rows")


def _is_certificate_error(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _worth_another_try(error: Exception) -> bool | float:
    """Whether to ask again, and after how long when the server has said so."""
    if not isinstance(error, TransientUpstreamError) or isinstance(error, WindowTooHeavy):
        return False
    wait = _capped(error.retry_after_seconds)
    return True if wait is None else wait


def _capped(seconds: float | None) -> float | None:
    return None if seconds is None else min(seconds, _LONGEST_WAIT_SECONDS)


def _failure(place: str, status: int, headers: httpx2.Headers, body: bytes) -> Exception:
    """The error that a status means. Texts of the reply stay out of it, except Kazoo's own short code."""
    code = error_code(body)
    said = f"account {place}: HTTP {status}{f' {code}' if code else ''}"
    error: Exception = UpstreamProtocolError(said)
    if is_range_error(body):
        error = UpstreamProtocolError(f"{said}: the window is longer than the switch allows")
    elif status == _GATEWAY_TIMEOUT:
        error = WindowTooHeavy(said)
    elif status in _TRANSIENT:
        error = TransientUpstreamError(said, retry_after_seconds=_retry_after(headers.get("retry-after")))
    elif status in _REFUSED:
        error = UpstreamAuthError(said, hint="check the credentials, and whether they may see this account")
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
