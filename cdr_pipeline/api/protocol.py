"""The HTTP protocol of the server with bounds that it lacks: bytes and seconds until a request is known."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# A whole request line and headers must fit and come in time; bodies are bounded where they are read.
_MOST_BYTES: Final = 64 * 1024
_SECONDS: Final = 15.0
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """Cuts off whoever sends endless headers, or none."""

    def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as the server calls it
        super().__init__(*args, **more)
        # Its lines would hold whole URLs, tokens and numbers included; the gate writes ours.
        self.access_log = False
        self._unknown_bytes = 0
        self._known = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the clock."""
        super().connection_made(transport)
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """Counts what came before the headers were whole."""
        if not self._known:
            self._start_clock()
            self._unknown_bytes += len(data)
        super().data_received(data)
        if not self._known and self._unknown_bytes > _MOST_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The request is known; its body has bounds of its own."""
        self._known = True
        self._stop_clock()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next request begins; between requests the server's own keep-alive clock runs."""
        super().on_message_complete()
        self._known = False
        self._unknown_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
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
