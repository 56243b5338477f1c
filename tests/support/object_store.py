"""An S3 server as a process of its own, and a proxy in front of it that puts faults."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import boto3

BUCKET: Final = "cdr-data"
_DROPPED: Final = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class FaultyStore:
    """Address of the proxy, and the faults of the next requests.

    Attributes:
        url: address for clients.
        slow_down: number of requests to answer with SlowDown.
        lost_replies: number of puts that are stored and whose reply is lost.
        damaged: number of puts that lose their last byte.
        refused: whether every request is answered with AccessDenied.
        refused_put: puts whose path contains this text are answered with AccessDenied; "": none.
        gone: whether every connection is closed without an answer.
        stale: whether listings are answered as they were when it was set.
        requests: method and path of every request.
    """

    url: str = ""
    slow_down: int = 0
    lost_replies: int = 0
    damaged: int = 0
    refused: bool = False
    refused_put: str = ""
    gone: bool = False
    stale: bool = False
    listings: dict[str, tuple[int, list[tuple[str, str]], bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)


class _Proxy(BaseHTTPRequestHandler):
    store: FaultyStore
    port: int
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _error(self, status: int, code: str) -> None:
        body = b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self._send(status, [], body)

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in headers:
            if name.lower() not in _DROPPED:
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
        store.requests.append((self.command, self.path))
        if store.gone:
            self._hang_up()
            return
        if store.refused or (self.command == "PUT" and store.refused_put and store.refused_put in self.path):
            self._error(403, "AccessDenied")
            return
        if store.slow_down:
            store.slow_down -= 1
            self._error(503, "SlowDown")
            return
        listing = self.command == "GET" and "list-type" in self.path
        if listing and store.stale and self.path in store.listings:
            self._send(*store.listings[self.path])
            return
        headers = dict(self.headers.items())
        if self.command == "PUT" and store.damaged and body:
            store.damaged -= 1
            body = _without_last_byte(body, headers)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(self.command, self.path, body, headers)
        response = connection.getresponse()
        content, status, answered = response.read(), response.status, response.getheaders()
        connection.close()
        if self.command == "PUT" and store.lost_replies:
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


def _without_last_byte(body: bytes, headers: dict[str, str]) -> bytes:
    for name in list(headers):
        if name.lower().startswith(("x-amz-checksum", "content-md5", "x-amz-sdk-checksum", "x-amz-trailer")):
            del headers[name]
    return body[:-1] + bytes([body[-1] ^ 1])


@contextmanager
def store_process() -> Iterator[int]:
    """Port of an S3 server process that holds an empty store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"MOTO_S3_CUSTOM_ENDPOINTS": ""}
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait(30)


@contextmanager
def faulty_store(port: int) -> Iterator[FaultyStore]:
    """A proxy in front of the server; every bucket and object of earlier tests is gone."""
    _ask(port, "POST", "/moto-api/reset")
    _ask(port, "PUT", f"/{BUCKET}")
    store = FaultyStore()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Proxy", (_Proxy,), {"store": store, "port": port}))
    server.daemon_threads = True
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def environment(store: FaultyStore) -> dict[str, str]:
    """Variables with which the product and its processes find the store."""
    return {
        "AWS_ENDPOINT_URL": store.url,
        "AWS_ACCESS_KEY_ID": "key-of-the-test",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def objects(store: FaultyStore) -> dict[str, bytes]:
    """Content of every object by its key, read without the product."""
    client = _client(store)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def put(store: FaultyStore, key: str, content: bytes) -> None:
    """Stores an object, as a sender outside the product does."""
    _client(store).put_object(Bucket=BUCKET, Key=key, Body=content)


def _client(store: FaultyStore) -> Any:
    return boto3.client(
        "s3", endpoint_url=store.url, aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1"
    )


def _ask(port: int, method: str, path: str, body: bytes = b"") -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {"Content-Length": str(len(body))})
    status = connection.getresponse().status
    connection.close()
    assert status < 300, status
