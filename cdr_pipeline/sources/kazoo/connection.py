"""HTTP requests to one switch, with rate limit, retries and login. Bodies are complete, bounded and token-free."""

import logging
import socket
import ssl
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx2
import stamina
from stamina.instrumentation import RetryDetails

from cdr_pipeline.errors import (
    ClockDisagrees,
    ConfigurationError,
    PermanentUpstreamError,
    TransientUpstreamError,
    UpstreamAuthError,
)
from cdr_pipeline.sources.kazoo.pace import Pace
from cdr_pipeline.sources.kazoo.pages import token_of, without_token
from cdr_pipeline.sources.kazoo.refusals import (
    LONGEST_WAIT_SECONDS,
    NOT_THERE,
    TRANSIENT,
    capped,
    date_of,
    refusal,
    retry_after_seconds,
    retry_decision,
)
from cdr_pipeline.sources.kazoo.session import Login, Session
from cdr_pipeline.sources.kazoo.unpacking import Unpacking

# These libraries log every URL at INFO, and a URL holds the token if ``token_in_query`` is set.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_log = logging.getLogger(__name__)


def _log_retry(details: RetryDetails) -> None:
    """Logs one line per retry with our own logger, in place of the library's line on standard output."""
    _log.info("%s; retrying in %.1f s", details.caused_by, details.wait_for)


stamina.instrumentation.set_on_retry_hooks([_log_retry])

_Answer = TypeVar("_Answer")
# Parsed, a reply of this size takes about 150 MB.
_MAX_BODY_BYTES: Final = 64 * 1024**2
_TOTAL_SECONDS: Final = 600.0
# The same for a switch that has sent no response yet: it is down, or CDR_API_URL names another host.
_FIRST_SECONDS: Final = 20.0
_JSON: Final = ("application/json", "application/x-json")
_OK: Final = 200
_CREATED: Final = 201
_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class Connection:
    """One switch, one set of credentials. Safe for several threads.

    Args:
        base_url: scheme, host and port of the switch.
        session: provides and renews the token.
        pace: rate limit of the accounts and the host.
        timeout_seconds: longest wait for one response, including its body.
        token_in_query: send the token in the URL, for servers that accept it only there.
        attempts: largest number of attempts per request.
        verify: TLS context with certificate authorities of a test; None trusts the system's. Verification cannot be
            disabled.
        transport: replaces the network, for tests.
        clock: monotonic seconds, for tests.
        wall_clock: current time in UTC, compared with the ``Date`` of every response; None disables the comparison.
        clock_tolerance_seconds: largest accepted difference between the two clocks.
    """

    def __init__(
        self,
        base_url: str,
        session: Session,
        pace: Pace,
        *,
        timeout_seconds: float,
        token_in_query: bool,
        attempts: int,
        verify: ssl.SSLContext | None = None,
        transport: httpx2.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] | None = None,
        clock_tolerance_seconds: float = 300.0,
    ) -> None:
        self._base = base_url
        self._host = urlsplit(base_url).hostname or "the switch"
        self._session = session
        self._pace = pace
        self._timeout = timeout_seconds
        self._token_in_query = token_in_query
        self._attempts = attempts
        self._clock = clock
        self._wall_clock = wall_clock
        self._tolerance = clock_tolerance_seconds
        # Whether the switch has sent any response, and whether the retries of a request were used up before it did.
        self._answered = False
        self._given_up = False
        self._http = httpx2.Client(
            timeout=httpx2.Timeout(timeout_seconds, connect=min(10.0, timeout_seconds)),
            follow_redirects=False,
            verify=True if verify is None else verify,
            transport=transport,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "cdr_pipeline"},
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=64),
        )

    def close(self) -> None:
        """Closes the idle connections."""
        self._http.close()

    def get(self, account_id: str, path: str, query: dict[str, str]) -> bytes:
        """Sends a GET request and returns the body of the response, without the token.

        Raises:
            TransientUpstreamError: all attempts failed; a later run can succeed.
            PermanentUpstreamError: a retry does not help.
        """
        return self.read(account_id, path, query, lambda body: (body, None))

    def read(
        self,
        account_id: str,
        path: str,
        query: dict[str, str],
        reader: Callable[[bytes], tuple[_Answer, int | None]],
        *,
        shrinks: bool = False,
    ) -> _Answer:
        """Sends a GET request and returns the result of ``reader``. An error of ``reader`` is retried like any other.

        Args:
            account_id: account to which the request belongs.
            path: path below the base URL.
            query: query parameters.
            reader: parses a body; returns the result, and the tokens left in the server's bucket or None.
            shrinks: the caller asks for a shorter window after a gateway timeout (504), so a 504 is not retried.

        Raises:
            TransientUpstreamError: all attempts failed; a later run can succeed.
            PermanentUpstreamError: a retry does not help.
        """

        def request() -> _Answer:
            answer, tokens_left = reader(self._request(account_id, path, query))
            self._pace.answered(account_id, tokens_left)
            return answer

        return self._with_retries(request, shrinks=shrinks)

    def own_account(self) -> str:
        """Id of the account that the credentials belong to, from the response to a login of any process.

        Raises:
            ConfigurationError: only a token is configured, or the response names no account.
            UpstreamAuthError: the switch refused the credentials.
        """
        if not self._session.credentials.renewable:
            raise ConfigurationError(
                "a token does not show which account it belongs to", hint="name the account with --root"
            )
        account_id = self._with_retries(lambda: self._session.own_account(self._log_in))
        if not account_id:
            raise ConfigurationError(
                "the switch did not name the account of these credentials", hint="name the account with --root"
            )
        return account_id

    def _with_retries(self, request: Callable[[], _Answer], *, shrinks: bool = False) -> _Answer:
        """Repeats a request that failed for a transient reason, with backoff, jitter and a limit."""
        never_answered = not self._answered
        try:
            for attempt in stamina.retry_context(
                on=lambda error: retry_decision(error, shrinks=shrinks),
                attempts=1 if never_answered and self._given_up else self._attempts,
                timeout=_FIRST_SECONDS if never_answered else _TOTAL_SECONDS,
                wait_initial=0.5,
                wait_max=LONGEST_WAIT_SECONDS,
            ):
                with attempt:
                    return request()
        except TransientUpstreamError:
            # Every further account of a night would wait as long for a switch that is down or misspelt.
            self._given_up = True
            raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _request(self, account_id: str, path: str, query: dict[str, str]) -> bytes:
        """Sends one request, and repeats it once after a new login if the token has expired."""
        token = self._session.token() or self._renewed("")
        self._pace.wait(account_id)
        status, headers, body = self._exchange("GET", path, query, token)
        if status == _UNAUTHORIZED and self._session.credentials.renewable:
            token = self._renewed(token)
            self._pace.wait(account_id)
            status, headers, body = self._exchange("GET", path, query, token)
        if status == _TOO_MANY:
            self._pace.refused(account_id, capped(retry_after_seconds(headers, self._now())))
        if status != _OK:
            raise refusal(account_id, status, headers, body, self._now())
        if not headers.get("content-type", "").lower().startswith(_JSON):
            raise TransientUpstreamError(
                f"account {account_id}: the reply has status 200 but is not JSON",
                hint="retry later, in case it is a proxy's error page; if it persists, check CDR_API_URL",
            )
        self._require_clock(headers)
        return without_token(body, token)

    def _exchange(
        self, method: str, path: str, query: dict[str, str], token: str, content: bytes | None = None
    ) -> tuple[int, httpx2.Headers, bytes]:
        """Sends a request and reads the complete response, within the timeout and the limit of the unpacked size."""
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
                self._answered = True
                body = Unpacking(response.headers.get("content-encoding", ""), limit=_MAX_BODY_BYTES)
                for chunk in response.iter_raw():
                    body.feed(chunk)
                    if self._clock() > deadline:
                        raise TransientUpstreamError(f"a reply from {self._host} took longer than {self._timeout:g} s")
                return response.status_code, response.headers, body.finished()
        except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
            if _is_certificate_error(error):
                raise PermanentUpstreamError(
                    f"the certificate of {self._host} cannot be trusted",
                    hint="install a valid certificate on the switch, or set SSL_CERT_FILE to your own authority's file",
                ) from None
            raise TransientUpstreamError(_in_plain_words(error, urlsplit(self._base).netloc)) from None
        except httpx2.HTTPError as error:
            raise PermanentUpstreamError(f"the request to {self._host} failed: {type(error).__name__}") from None

    def _require_clock(self, headers: httpx2.Headers) -> None:
        """Raises ClockDisagrees if the ``Date`` of the response differs too much from this machine's clock."""
        moment = date_of(headers)
        if self._wall_clock is None or moment is None:
            return
        ahead = (self._wall_clock() - moment).total_seconds()
        if abs(ahead) > self._tolerance:
            raise ClockDisagrees(
                f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the switch's",
                hint="set the clock (timedatectl set-ntp true), then run 'cdr-pipeline doctor'; nothing was recorded",
            )

    def _now(self) -> datetime | None:
        return None if self._wall_clock is None else self._wall_clock()

    def _renewed(self, expired: str) -> str:
        """Returns a token that replaces the refused one."""
        return self._session.renew(expired, self._log_in)

    def _log_in(self) -> Login:
        """Requests a token.

        The login counts against the bucket of the host and costs as much as 35 requests.
        """
        route, content = self._session.credentials.login()
        status, headers, body = 0, httpx2.Headers(), b""
        for version in ("v2", "v1"):
            status, headers, body = self._exchange("PUT", f"/{version}/{route}", {}, "", content)
            if status not in NOT_THERE:
                break
        token, owner = token_of(body)
        if status in (_OK, _CREATED) and token:
            return Login(token, owner)
        if status in (_OK, _CREATED) or status in TRANSIENT or status >= _SERVER_ERROR:
            raise TransientUpstreamError(
                f"login: HTTP {status}{' without a token' if status in (_OK, _CREATED) else ''}",
                retry_after_seconds=retry_after_seconds(headers, self._now()),
            )
        raise UpstreamAuthError(
            f"the switch refuses the credentials (HTTP {status})",
            hint=f"check {self._session.credentials.setting}; nothing was collected",
        )


def _is_certificate_error(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _in_plain_words(error: httpx2.TransportError, host: str) -> str:
    """Cause of a failed connection, from the operating system's error where there is one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return f"connection refused by {host}"
        if isinstance(cause, socket.gaierror):
            return f"the name of {host} cannot be resolved"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.TimeoutException):
        return f"no answer from {host} in time ({type(error).__name__})"
    return f"{host} did not send a complete response: {type(error).__name__}"
