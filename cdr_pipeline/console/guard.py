"""Outermost ASGI layer of the console: security headers, request ids, size limit of bodies, access log."""

import logging
import secrets
import time
from contextlib import AbstractAsyncContextManager
from typing import Final

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

_log = logging.getLogger("cdr_pipeline.console")
# Everything comes from this server; forms go only to it; no other page can frame it.
_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none';"
    " object-src 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_PRIVATE: Final = (b"cache-control", b"no-store")
_PUBLIC: Final = (b"cache-control", b"public, max-age=3600")


class BodyTooLarge(Exception):
    """The body of a request exceeds the limit."""


class ConsoleGuard:
    """Wraps the application.

    Args:
        app: application that handles the requests.
        body_bytes: largest body of a request, in bytes.
    """

    def __init__(self, app: FastAPI, body_bytes: int) -> None:
        self.app = app
        self._body_bytes = body_bytes

    def running(self) -> AbstractAsyncContextManager[object]:
        """Opens the connections of the application, and closes them at the end."""
        return self.app.router.lifespan_context(self.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request and logs its route, never a path, a query or a form."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        started_at = time.perf_counter()
        status = 500
        remaining = self._body_bytes

        async def receive_bounded() -> Message:
            nonlocal remaining
            message = await receive()
            remaining -= len(message.get("body", b""))
            if remaining < 0:
                raise BodyTooLarge
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                kept = [item for item in message["headers"] if item[0] != b"cache-control"]
                cache = _PUBLIC if scope["path"].startswith("/static/") else _PRIVATE
                message["headers"] = [*kept, *_HEADERS, cache, (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive_bounded, send_with_headers)
        finally:
            route = str(getattr(scope.get("route"), "path", "unmatched"))
            method = scope["method"] if scope["method"].isalpha() else "?"
            milliseconds = (time.perf_counter() - started_at) * 1000
            user = scope["state"].get("user_id", "-")
            _log.info("%s %s %d %.1f ms user=%s request=%s", method, route, status, milliseconds, user, request_id)
