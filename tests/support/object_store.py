"""A proxy in front of a server of an object store that injects faults."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tests.support.store_servers import BUCKET, StoreServer

_DROPPED: Final = {"connection", "transfer-encoding", "content-length", "keep-alive"}
_CHECKSUMS: Final = ("x-amz-checksum", "content-md5", "x-amz-sdk-checksum", "x-amz-trailer", "x-ms-content-crc64")
_TOKEN: Final = json.dumps({"access_token": "token-of-the-test", "expires_in": 3600, "token_type": "Bearer"}).encode()


@dataclass
class FaultyStore:
    """Address of the proxy, and the faults of the next requests.

    Attributes:
        server: server behind the proxy.
        url: address for clients.
        slow_down: number of requests that the store is too busy for.
        lost_replies: number of puts that are stored and whose reply is lost.
        damaged: number of puts that lose their last byte.
        refused: whether every request is refused.
        refused_put: puts whose key contains this text are refused; "": none.
        gone: whether every connection is closed without an answer.
        stale: whether listings are answered as they were when it was set.
        puts: key of every put.
        listed: number of listings.
    """

    server: StoreServer
    url: str = ""
    slow_down: int = 0
    lost_replies: int = 0
    damaged: int = 0
    refused: bool = False
    refused_put: str = ""
    gone: bool = False
    stale: bool = False
    listings: dict[str, tuple[int, list[tuple[str, str]], bytes]] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)
    listed: int = 0

    @property
    def root(self) -> str:
        """URL of a folder of the bucket."""
        return f"{self.server.scheme}://{BUCKET}/data"

    def reset(self) -> None:
        """No faults, and nothing remembered."""
        self.slow_down = self.lost_replies = self.damaged = self.listed = 0
        self.refused = self.gone = self.stale = False
        self.refused_put = ""
        self.listings.clear()
        self.puts.clear()


class _Proxy(BaseHTTPRequestHandler):
    store: FaultyStore
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _error(self, status: int, code: str) -> None:
        headers, body = self.store.server.error(status, code)
        self._send(status, headers, b"" if self.command == "HEAD" else body)

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in headers:
            if name.lower() == "location":
                self.send_header(name, value.replace(f"127.0.0.1:{self.store.server.port}", self.store.url[7:]))
            elif name.lower() not in _DROPPED:
                self.send_header(name, value)
        self.send_header("Content-Length", lengths[0] if self.command == "HEAD" and lengths else str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _forward(self) -> None:
        store = self.store
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        put = store.server.key_of_put(self.command, self.path, body)
        listing = store.server.is_listing(self.command, self.path)
        store.puts += [put] if put else []
        store.listed += listing
        if self.path == "/token":
            self._send(200, [("Content-Type", "application/json")], _TOKEN)
        elif store.gone:
            self._hang_up()
        elif store.refused or (put and store.refused_put and store.refused_put in put):
            self._error(403, store.server.refused)
        elif store.slow_down:
            store.slow_down -= 1
            self._error(503, store.server.busy)
        elif listing and store.stale and self.path in store.listings:
            self._send(*store.listings[self.path])
        else:
            self._answer(body, is_put=bool(put), listing=listing)

    def _answer(self, body: bytes, *, is_put: bool, listing: bool) -> None:
        store = self.store
        headers = dict(self.headers.items())
        if is_put and store.damaged and body:
            store.damaged -= 1
            headers = {name: value for name, value in headers.items() if not name.lower().startswith(_CHECKSUMS)}
            body = store.server.damaged(body)
        connection = http.client.HTTPConnection("127.0.0.1", store.server.port, timeout=30)
        connection.request(self.command, self.path, body, headers)
        response = connection.getresponse()
        content, status, answered = response.read(), response.status, response.getheaders()
        connection.close()
        if is_put and store.lost_replies:
            store.lost_replies -= 1
            self._hang_up()
            return
        if listing:
            store.listings[self.path] = (status, answered, content)
        self._send(status, answered, content)

    def __getattr__(self, name: str) -> Any:
        """Every method of HTTP is forwarded."""
        if name.startswith("do_"):
            return self._forward
        raise AttributeError(name)


@contextmanager
def faulty_store(server: StoreServer) -> Iterator[FaultyStore]:
    """A proxy in front of the server."""
    store = FaultyStore(server)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), type("Proxy", (_Proxy,), {"store": store}))
    proxy.daemon_threads = True
    store.url = f"http://127.0.0.1:{proxy.server_port}"
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        proxy.shutdown()
        thread.join(10)
        proxy.server_close()


def environment(store: FaultyStore) -> dict[str, str]:
    """Variables with which the product and its processes find the store."""
    return store.server.environment(store.url)


def objects(store: FaultyStore) -> dict[str, bytes]:
    """Content of every object by its key, read without the product."""
    return store.server.objects()


def put(store: FaultyStore, key: str, content: bytes) -> None:
    """Stores an object, as a sender outside the product does."""
    store.server.put(key, content)
