"""A loopback HTTP server that answers by script: bytes as they are, delays, cuts."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Reply:
    """What one request gets.

    Attributes:
        status, headers, body: of the answer.
        length: Content-Length when it is not the body's own; None sends none and closes at the end.
        cut_after: bytes of the body after which the connection is reset.
        pause: seconds before the answer.
        drip: seconds between single bytes of the body.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    length: int | None = -1
    cut_after: int | None = None
    pause: float = 0
    drip: float = 0


@dataclass
class ScriptedServer:
    """Where it listens, and the requests that it has seen: first line and headers, lower case."""

    url: str
    requests: list[str] = field(default_factory=list[str])


@contextmanager
def scripted_server(*script: Reply, repeat_last: bool = True) -> Iterator[ScriptedServer]:
    """Serves the replies in order, one connection each, the last one for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    server = ScriptedServer(f"http://127.0.0.1:{listener.getsockname()[1]}")
    replies = list(script)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(5)
                reply = replies.pop(0) if len(replies) > 1 or (replies and not repeat_last) else replies[0]
                _answer(connection, reply, server, stopping)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stopping.set()
        thread.join(timeout=10)
        listener.close()


def _answer(connection: socket.socket, reply: Reply, server: ScriptedServer, stopping: threading.Event) -> None:
    received = b""
    try:
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65536)
            if not chunk:
                return
            received += chunk
        server.requests.append(received.split(b"\r\n\r\n")[0].decode())
        time.sleep(reply.pause)
        length = len(reply.body) if reply.length == -1 else reply.length
        headers = {"Content-Type": "application/json", "Connection": "close"} | reply.headers
        if length is not None:
            headers["Content-Length"] = str(length)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"HTTP/1.1 {reply.status} Scripted\r\n{lines}\r\n".encode())
        body = reply.body if reply.cut_after is None else reply.body[: reply.cut_after]
        if not reply.drip:
            connection.sendall(body)
            return
        for byte in body:
            if stopping.wait(reply.drip):
                return
            connection.sendall(bytes([byte]))
    except OSError:
        return
