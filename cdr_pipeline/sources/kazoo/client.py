"""Client of the switch's API: pages of records, details, accounts. Its errors tell whether a retry can help.

Connections, retries and the login are in ``connection``, ``refusals`` and ``session``.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self, cast
from urllib.parse import quote, urlsplit

import httpx2

from cdr_pipeline.errors import (
    ConfigurationError,
    TransientUpstreamError,
    UpstreamAccountNotFound,
    UpstreamProtocolError,
)
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.kazoo.connection import Connection
from cdr_pipeline.sources.kazoo.dialects import VERSION_KEYS, SwitchDialect
from cdr_pipeline.sources.kazoo.pace import Pace, Reserve
from cdr_pipeline.sources.kazoo.pages import Page, data_of, next_key_of, parse_detail, parse_page
from cdr_pipeline.sources.kazoo.session import Credentials, Session
from cdr_pipeline.sources.kazoo.windows import created_range, crosses_month, is_shrunk
from cdr_pipeline.sources.upstream import Window

_MAX_PAGES: Final = 100_000
_LARGEST_PAGE: Final = 10_000
_WHOLE_WINDOW: Final = 1_000_000
_ATTEMPTS: Final = 5


class KazooClient:
    """One switch, one set of credentials. Safe for several threads; use as a context manager.

    Args:
        base_url: scheme, host and port of the switch.
        credentials: token, API key or user.
        session_dir: folder in which processes share the token; None keeps it in memory.
        page_size: rows requested per page.
        requests_per_second: rate limit of one account.
        host_requests_per_second: rate limit of all accounts together.
        timeout_seconds: longest wait for one response, including its body.
        token_in_query: send the token in the URL, for servers that accept it only there.
        attempts: largest number of attempts per request.
        verify: TLS context with certificate authorities of a test; None trusts the system's. Verification cannot be
            disabled.
        transport: replaces the network, for tests.
        clock: monotonic seconds, for tests.
        wall_clock: current time in UTC, compared with the ``Date`` of every response; None disables the comparison.
        clock_tolerance_seconds: largest accepted difference between the two clocks.
        reserve: reserves requests among all processes; None if this process is alone.
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
        transport: httpx2.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] | None = None,
        clock_tolerance_seconds: float = 300.0,
        reserve: Reserve | None = None,
    ) -> None:
        self._page_size = page_size
        self._connection = Connection(
            base_url,
            Session(credentials, session_dir, credentials.fingerprint(base_url)),
            Pace(
                requests_per_second, host_requests_per_second, reserve=reserve, host=urlsplit(base_url).hostname or ""
            ),
            timeout_seconds=timeout_seconds,
            token_in_query=token_in_query,
            attempts=attempts,
            verify=verify,
            transport=transport,
            clock=clock,
            wall_clock=wall_clock,
            clock_tolerance_seconds=clock_tolerance_seconds,
        )

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        wall_clock: Callable[[], datetime] | None = None,
        reserve: Reserve | None = None,
    ) -> Self:
        """Creates a client from settings.

        Args:
            settings: settings of this process.
            wall_clock: current time in UTC, compared with the ``Date`` of every response; None disables the
                comparison.
            reserve: reserves requests among all processes; None if this process is alone.

        Raises:
            ConfigurationError: the URL or the credentials are missing.
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
            wall_clock=wall_clock,
            clock_tolerance_seconds=settings.clock_tolerance_seconds,
            reserve=reserve,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def detect_dialect(self, account_id: str) -> SwitchDialect:
        """Detects the server's dialect from the envelope of a v2 page and from whether the server still has v1.

        Raises:
            UpstreamError: a request failed.
        """
        try:
            path = f"/v2/accounts/{quote(account_id, safe='')}/cdrs"
            _, page = self._page(account_id, path, {"page_size": "1"})
        except UpstreamAccountNotFound:
            self._connection.get(account_id, f"/v1/accounts/{quote(account_id, safe='')}", {})
            return SwitchDialect.SEED_V1
        if not VERSION_KEYS & page.envelope:
            return SwitchDialect.V2_K3
        try:
            self._connection.get(account_id, f"/v1/accounts/{quote(account_id, safe='')}", {})
        except UpstreamAccountNotFound:
            return SwitchDialect.K5
        return SwitchDialect.V2_K43

    def pages(self, account_id: str, window: Window, dialect: SwitchDialect) -> Iterator[tuple[bytes, Page]]:
        """Yields every page of a window: its body, unchanged except for the token, and the parsed page.

        Rows may occur twice; the merge removes duplicates. If a start key repeats, the next request asks for larger
        pages on servers that repeat whole seconds, and raises an error on others, so that paging always ends.

        When a gateway times out on an ordinary window, the request is not retried, because two shorter windows cover
        it. A window across a month's edge cannot be split in this way and is retried like any request.

        Raises:
            WindowTooHeavy: a shorter window may work.
            TransientUpstreamError: all attempts failed; a later run can succeed.
            PermanentUpstreamError: a retry does not help.
        """
        path = f"/{dialect.version}/accounts/{quote(account_id, safe='')}/cdrs"
        first, last = created_range(window)
        query = {"created_from": str(first), "created_to": str(last)}
        size = self._page_size
        one_page = crosses_month(window)
        if one_page:
            size = _WHOLE_WINDOW
            query["paginate"] = "false"
        seen: set[str] = set()
        for _ in range(_MAX_PAGES):
            if dialect.paginated:
                query["page_size"] = str(size)
            body, page = self._page(account_id, path, query, shrinks=is_shrunk(window) or not one_page)
            yield body, page
            key = page.next_start_key
            if key is None or not dialect.paginated:
                return
            if one_page:
                raise UpstreamProtocolError(
                    f"account {account_id}: the server pages a window across a month's edge, which must be one page"
                )
            if key in seen or key == query.get("start_key"):
                if not dialect.repeats_seconds or size >= _LARGEST_PAGE:
                    raise UpstreamProtocolError(f"account {account_id}: the server keeps returning the same page")
                size = min(size * 4, _LARGEST_PAGE)
            seen.add(key)
            query["start_key"] = key
        raise UpstreamProtocolError(f"account {account_id}: more than {_MAX_PAGES} pages in one window")

    def detail(self, account_id: str, record_id: str, dialect: SwitchDialect) -> bytes:
        """The response of ``/cdrs/{id}`` without the token, after checking that it holds a document."""
        account, record = quote(account_id, safe=""), quote(record_id, safe="")
        body = self._connection.get(account_id, f"/{dialect.version}/accounts/{account}/cdrs/{record}", {})
        parse_detail(body)
        return body

    def descendants(self, account_id: str, *, version: str = "v2") -> list[dict[str, Any]]:
        """Every account below an account, from all pages of the switch's list (id, name, realm, tree).

        Raises:
            TransientUpstreamError: all attempts failed; a later run can succeed.
            PermanentUpstreamError: a retry does not help.
        """
        path = f"/{version}/accounts/{quote(account_id, safe='')}/descendants"
        query: dict[str, str] = {}
        accounts: list[dict[str, Any]] = []
        seen: set[str] = set()
        while True:
            body = self._connection.get(account_id, path, query)
            data = data_of(body)
            if not isinstance(data, list):
                raise UpstreamProtocolError(f"account {account_id}: expected a list of descendants, got something else")
            accounts += [row for row in cast("list[Any]", data) if isinstance(row, dict)]
            key = next_key_of(body)
            if key is None:
                return accounts
            if key in seen:
                raise UpstreamProtocolError(f"account {account_id}: the server keeps returning the same page")
            seen.add(key)
            query = {"start_key": key}

    def account(self, account_id: str, *, version: str = "v2") -> dict[str, Any]:
        """The document of an account (id, name, realm, timezone and more).

        Raises:
            TransientUpstreamError: all attempts failed; a later run can succeed.
            PermanentUpstreamError: a retry does not help.
        """
        data = data_of(self._connection.get(account_id, f"/{version}/accounts/{quote(account_id, safe='')}", {}))
        if not isinstance(data, dict):
            raise UpstreamProtocolError(f"account {account_id}: expected a JSON object, got something else")
        return cast("dict[str, Any]", data)

    def own_account(self) -> str:
        """Id of the account that the credentials belong to, from the response to a login of any process.

        Raises:
            ConfigurationError: only a token is configured, or the response names no account.
            UpstreamAuthError: the switch refused the credentials.
        """
        return self._connection.own_account()

    def _page(self, account_id: str, path: str, query: dict[str, str], *, shrinks: bool = False) -> tuple[bytes, Page]:
        def complete_page(body: bytes) -> tuple[tuple[bytes, Page], int | None]:
            page = parse_page(body)
            _require_complete(page, path, query)
            return (body, page), page.tokens_left

        return self._connection.read(account_id, path, query, complete_page, shrinks=shrinks)


def _require_complete(page: Page, path: str, query: dict[str, str]) -> None:
    """Checks that a page has at least as many rows as its ``page_size`` announces.

    On v1 and since 4.3, ``page_size`` is the number of rows. On v2 of 3.x and 4.0 it is the requested size, and every
    page except the last one is full.

    Raises:
        TransientUpstreamError: rows are missing.
    """
    expected = page.page_size
    if expected is None:
        return
    counted = path.startswith("/v1/") or ("page_size" in query and "node" in page.envelope)
    full = "node" not in page.envelope and page.next_start_key is not None and page.next_start_key.isdigit()
    if page.rows < expected and (counted or full):
        raise TransientUpstreamError(f"a page is incomplete: {page.rows} of {expected} rows")
