"""Requests to one switch: paced, retried, logged in; every reply whole, bounded and free of the token."""

import logging
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
from cdr_pipeline.sources.kazoo.session import Session
from cdr_pipeline.sources.kazoo.unpacking import Unpacking

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
_TOTAL_SECONDS: Final = 600.0
_JSON: Final = ("application/json", "application/x-json")
_OK: Final = 200
_CREATED: Final = 201
_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class Connection:
    """One switch, one set of credentials. Safe for several threads.

    Args:
        base_url: scheme, host, port.
        session: where the token comes from.
        pace: how often each account and the host are asked.
        timeout_seconds: longest wait for one answer, body included.
        token_in_query: for servers that take the token no other way.
        attempts: how often one request is tried.
        verify: certificate authorities to trust besides the system's, for tests; verification cannot be switched off.
        transport: in place of the network, for tests.
        clock: monotonic seconds, for tests.
        wall_clock: current time in UTC, compared with the ``Date`` of every reply; None compares nothing.
        clock_tolerance_seconds: how far the two may differ.
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
        self._http = httpx2.Client(
            timeout=httpx2.Timeout(timeout_seconds, connect=min(10.0, timeout_seconds)),
            follow_redirects=False,
            verify=True if verify is None else verify,
            transport=transport,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "cdr_pipeline"},
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=64),
        )

    def close(self) -> None:
        """Ends the connections that are kept open."""
        self._http.close()

    def get(self, account_id: str, path: str, query: dict[str, str]) -> bytes:
        """The body of a reply, free of the token.

        Raises:
            TransientUpstreamError, PermanentUpstreamError: as their names say, after all attempts.
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
        """What ``reader`` makes of a reply; what it raises counts as the reply's failure.

        It also gives the tokens that the server's own bucket has left, where the reply says so.

        Args:
            account_id: account that is asked about.
            path: below the base URL.
            query: parameters.
            reader: makes the answer of a body.
            shrinks: the caller asks for less when a gateway gives up (504), so that asking again is a waste.

        Raises:
            TransientUpstreamError, PermanentUpstreamError: as their names say, after all attempts.
        """

        def asked() -> _Answer:
            answer, tokens_left = reader(self._once(account_id, path, query))
            self._pace.answered(account_id, tokens_left)
            return answer

        return self._tried(asked, shrinks=shrinks)

    def own_account(self) -> str:
        """Id of the account that the credentials belong to, as the login's answer names it.

        Raises:
            ConfigurationError: there is only a token, which names no account.
            UpstreamAuthError: refused.
        """
        if not self._session.credentials.renewable:
            raise ConfigurationError("a token does not say whose it is", hint="name the account with --root")
        account: list[str] = []
        self._tried(lambda: self._session.renew(self._session.token(), lambda: self._log_in(account)))
        if not account:
            raise ConfigurationError("the switch did not say whose credentials these are", hint="name it with --root")
        return account[0]

    def _tried(self, asked: Callable[[], _Answer], *, shrinks: bool = False) -> _Answer:
        """Asks until there is an answer that can be trusted, with backoff, jitter and an end."""
        for attempt in stamina.retry_context(
            on=lambda error: retry_decision(error, shrinks=shrinks),
            attempts=self._attempts,
            timeout=_TOTAL_SECONDS,
            wait_initial=0.5,
            wait_max=LONGEST_WAIT_SECONDS,
        ):
            with attempt:
                return asked()
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, account_id: str, path: str, query: dict[str, str]) -> bytes:
        """One request, and one more after a fresh login when the token has expired."""
        token = self._session.token() or self._renewed("")
        self._pace.wait(account_id)
        status, headers, body = self._exchange("GET", path, query, token)
        if status == _UNAUTHORIZED and self._session.credentials.renewable:
            token = self._renewed(token)
            self._pace.wait(account_id)
            status, headers, body = self._exchange("GET", path, query, token)
        if status == _TOO_MANY:
            self._pace.refused(account_id, capped(retry_after_seconds(headers.get("retry-after"))))
        if status != _OK:
            raise refusal(account_id, status, headers, body)
        if not headers.get("content-type", "").lower().startswith(_JSON):
            raise TransientUpstreamError(
                f"account {account_id}: the reply is not JSON but something else with status 200",
                hint="when it stays so, check CDR_API_URL: a proxy's error page passes, a wrong address does not",
            )
        self._require_clock(headers)
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

    def _require_clock(self, headers: httpx2.Headers) -> None:
        """Raises ClockDisagrees when the switch's clock, where it shows one, is too far from this machine's."""
        moment = date_of(headers)
        if self._wall_clock is None or moment is None:
            return
        ahead = (self._wall_clock() - moment).total_seconds()
        if abs(ahead) > self._tolerance:
            raise ClockDisagrees(
                f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the switch's",
                hint="set the clock (timedatectl set-ntp true), then run 'cdr-pipeline doctor'; nothing was recorded",
            )

    def _renewed(self, expired: str) -> str:
        """A token in place of the one that is refused."""
        return self._session.renew(expired, self._log_in)

    def _log_in(self, account: list[str] | None = None) -> str:
        """Buys a token. The login's own bucket is the host's: it costs 35 of an account's requests."""
        route, content = self._session.credentials.login()
        status, headers, body = 0, httpx2.Headers(), b""
        for version in ("v2", "v1"):
            status, headers, body = self._exchange("PUT", f"/{version}/{route}", {}, "", content)
            if status not in NOT_THERE:
                break
        token, owner = token_of(body)
        if status in (_OK, _CREATED) and token:
            if account is not None and owner:
                account.append(owner)
            return token
        if status in (_OK, _CREATED) or status in TRANSIENT or status >= _SERVER_ERROR:
            raise TransientUpstreamError(
                f"login: HTTP {status}{' without a token' if status in (_OK, _CREATED) else ''}",
                retry_after_seconds=retry_after_seconds(headers.get("retry-after")),
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
