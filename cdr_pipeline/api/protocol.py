"""uvicorn's HTTP protocol with limits on the size and the duration of request headers, and without upgrades."""

import asyncio
import re
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Limits of the request line and the headers together. The limits of bodies are in cdr_pipeline.api.bodies.
_MOST_BYTES: Final = 64 * 1024
_SECONDS: Final = 15.0
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

# The name of a header that offers another protocol, such as HTTP/2. A server may ignore it (RFC 9110, 7.8).
_OFFER: Final = re.compile(rb"(?:^|(?<=\r\n))upgrade(?=:)", re.IGNORECASE)


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections that send too many header bytes, or do not complete the headers in time.

    The parser reads no body of a request that offers another protocol: it takes the body for another request. The
    client of Java's library makes such an offer on each new connection, so the header gets another name.
    """

    def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as the server calls it
        super().__init__(*args, **more)
        # uvicorn's access log contains complete URLs with tokens and numbers; the request guard writes our own.
        self.access_log = False
        self._header_bytes = 0
        self._headers_complete = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the timeout of the headers."""
        super().connection_made(transport)
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """Counts bytes until the headers are complete."""
        if not self._headers_complete:
            self._start_clock()
            self._header_bytes += len(data)
            headers, end, body = data.partition(b"\r\n\r\n")
            data = _OFFER.sub(b"ignored-upgrade", headers) + end + body
        super().data_received(data)
        if not self._headers_complete and self._header_bytes > _MOST_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Stops the timeout: the body has limits of its own."""
        self._headers_complete = True
        self._stop_clock()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Resets the count for the next request. Between requests uvicorn's keep-alive timeout applies."""
        super().on_message_complete()
        self._headers_complete = False
        self._header_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timeout."""
        self._stop_clock()
        super().connection_lost(exc)

    def _start_clock(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(_SECONDS, self._give_up)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()
