"""The outermost ASGI layer: limits of URL and headers, request ids, response headers, access log, last errors."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, closing
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any, Final
from urllib.parse import parse_qsl

from anyio import to_thread
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cdr_pipeline.api.envelope import error_response
from cdr_pipeline.api.filters.kazoo import KAZOO_FILTERS
from cdr_pipeline.api.filters.own import FILTERS
from cdr_pipeline.api.metrics import Metrics
from cdr_pipeline.api.refusals import no_such
from cdr_pipeline.errors import CdrError, RequestRefused
from cdr_pipeline.privacy.redaction import MASK

_log = logging.getLogger("cdr_pipeline.api")
_LONGEST_URL: Final = 16 * 1024
# Bytes of a response to HTTP/1.0 that wait in memory, not on disk.
_IN_MEMORY: Final = 1024 * 1024
_LONGEST_HEADERS: Final = 32 * 1024
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Header Deprecation (RFC 9745) for tokens in URLs, which the API has discouraged since its first version.
_DEPRECATED: Final = b"@1767225600"
_ALWAYS: Final = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
# Names of parameters that the log may contain; any other name could itself be a secret.
_LOGGED_NAMES: Final = frozenset((*FILTERS, *KAZOO_FILTERS)) | {
    "auth_token", "created_from", "created_to", "page_size", "start_key", "paginate", "accept", "ascending",
    "descending", "pretty_print", "_", "utc_offset", "fields", "file_name", "profile", "time_zone", "dry_run",
    "from_date", "to_date", "token",
}  # fmt: skip


# Response headers, besides those that browsers always show, that pages of allowed origins can read.
_EXPOSED: Final = (
    "Accept-Post", "Allow", "Content-Disposition", "Deprecation", "Idempotent-Replayed", "Link", "RateLimit",
    "RateLimit-Policy", "Retry-After",
    "X-Content-SHA256", "X-Ignored-Parameters", "X-Records-As-Of", "X-Request-ID",
)  # fmt: skip
_READING: Final = ("GET", "HEAD")
# PATCH is allowed so that a page can read that no route has it.
_METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


class RequestGuard:
    """Wraps the application.

    Args:
        app: application that handles the requests.
        metrics: counts the requests.
        origins: web origins whose pages may call the API; ``*`` for any.
        choose_source: chooses where a request reads records; returns the moment whose records a replica shows.
    """

    def __init__(
        self,
        app: FastAPI,
        metrics: Metrics,
        origins: Sequence[str] = (),
        choose_source: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        self._inner = app
        self._choose_source = choose_source
        self._origins = origins
        self._app = self._with_cors(app)
        self._metrics = metrics

    def running(self) -> AbstractAsyncContextManager[object]:
        """Opens the connections of the application, and closes them at the end."""
        return self._inner.router.lifespan_context(self._inner)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["http_version"] == "1.0":
            with closing(_WholeResponse(send)) as whole:
                await self._serve(scope, receive, whole.send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request. An uncaught error becomes a 500 response that contains only the request id."""
        headers = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id", b""))
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["records_as_of"] = self._choose_source() if scope["method"] in _READING else None
        started_at = time.perf_counter()
        status, size = 0, 0
        inner = scope
        if scope["method"] == "HEAD":
            # The application serves GET: the response to HEAD is that to GET without its body.
            inner = dict(scope, method="GET")
            receive, send = _without_body(send)

        async def send_counted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_more_headers(state, request_id, _route(inner))]
            else:
                size += len(message.get("body", b""))
            await send(message)

        version = "v1" if scope["path"].startswith("/v1/") else "v2"
        try:
            _require_bounded(scope)
            await self._app(inner, receive, send_counted)
        except Exception as error:
            if state.get("answered"):
                return
            if status:
                # The response has started: only a broken connection shows the client that it is incomplete.
                _log.warning("broke off request=%s: %s", request_id, type(error).__name__)
                status = 500
                raise
            if not isinstance(error, CdrError):
                _log.error("fault request=%s", request_id, exc_info=error)
                error = RequestRefused(500, "unspecified_fault", {"message": "unspecified fault"})
            await self._with_cors(error_response(error, request_id, version))(inner, receive, send_counted)
        finally:
            seconds = time.perf_counter() - started_at
            route = _route(inner)
            self._metrics.note(route, scope["method"], status, seconds)
            _log.info(
                "%s %s%s %d %d B %.1f ms token=%s request=%s",
                scope["method"] if scope["method"].isalpha() else "?", route, masked_query(scope["query_string"]),
                status, size, seconds * 1000, state.get("token_id", "-"), request_id,
            )  # fmt: skip

    def _with_cors(self, app: ASGIApp) -> ASGIApp:
        """The application, with preflight responses and CORS headers for the allowed origins."""
        if not self._origins:
            return app
        return CORSMiddleware(
            app, allow_origins=self._origins, allow_methods=_METHODS, allow_headers=("*",), expose_headers=_EXPOSED
        )


def _without_body(send: Send) -> tuple[Receive, Send]:
    """Callables for a request without a body whose response is sent without a body.

    A stream ends with its first part, as if the client had disconnected.
    """
    answered = asyncio.Event()

    async def disconnected() -> Message:
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
        elif not answered.is_set():
            answered.set()
            await send({"type": "http.response.body", "body": b""})

    return disconnected, send_headers


class _WholeResponse:
    """Sends a stream with its length, to a client that does not know chunks (HTTP/1.0).

    Without a length, such a client takes a stream that breaks off for a complete one. Long streams wait on disk.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = SpooledTemporaryFile[bytes](_IN_MEMORY)

    async def send(self, message: Message) -> None:
        """Keeps a part of the response; sends all with the last one."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        await to_thread.run_sync(self._body.write, message.get("body", b""))
        if message.get("more_body"):
            return
        length = str(self._body.tell()).encode()
        headers = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        await self._send(dict(self._start, headers=[*headers, (b"content-length", length)]))
        self._body.seek(0)
        while piece := await to_thread.run_sync(self._body.read, _IN_MEMORY):
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    def close(self) -> None:
        """Removes what waits."""
        self._body.close()


def masked_query(query: bytes) -> str:
    """Known parameter names of a query without their values, which can be tokens or numbers in any spelling."""
    if not query:
        return ""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=None)
    names = [name if name in _LOGGED_NAMES else "?" for name, _ in pairs[:20]]
    return "?" + "&".join(f"{name}={MASK}" for name in names)


def _require_bounded(scope: Scope) -> None:
    length = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if length > _LONGEST_URL:
        raise RequestRefused(414, "uri_too_long", {"message": f"at most {_LONGEST_URL} bytes"})
    if "\x00" in scope["path"]:
        # PostgreSQL cannot store NUL, so nothing has such an id.
        raise no_such("bad_identifier", {"message": "bad identifier"})
    if sum(len(name) + len(value) for name, value in scope["headers"]) > _LONGEST_HEADERS:
        raise RequestRefused(431, "headers_too_large", {"message": f"at most {_LONGEST_HEADERS} bytes"})


def _request_id(header: bytes) -> str:
    """The client's id if it is safe in headers and logs, otherwise a new id."""
    text = header.decode("latin-1")
    return text if _REQUEST_ID.fullmatch(text) else secrets.token_hex(16)


def _more_headers(state: dict[str, Any], request_id: str, route: str) -> list[tuple[bytes, bytes]]:
    headers = [*_ALWAYS, (b"x-request-id", request_id.encode())]
    as_of: datetime | None = state["records_as_of"]
    if as_of is not None and "/cdrs" in route:
        headers.append((b"x-records-as-of", f"{as_of:%Y-%m-%dT%H:%M:%SZ}".encode()))
    if ignored := state.get("ignored_parameters"):
        headers.append((b"x-ignored-parameters", ", ".join(ignored).encode()))
    if rate := state.get("rate"):
        headers += [(b"ratelimit-policy", rate.policy.encode()), (b"ratelimit", rate.state.encode())]
    if state.get("token_in_query"):
        headers.append((b"deprecation", _DEPRECATED))
    return headers


def _route(scope: Scope) -> str:
    """Pattern of the route, never a path with ids."""
    route = scope.get("route")
    return str(getattr(route, "path", "unmatched"))
