"""Real servers on loopback that take alerts: a webhook over HTTP and a mail server over SMTP."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


@dataclass
class Taken:
    """What a server took; it refuses the first ``refuse`` tries."""

    url: str = ""
    refuse: int = 0
    tries: int = 0
    bodies: list[Any] = field(default_factory=list)

    def refuses(self) -> bool:
        self.tries += 1
        return self.tries <= self.refuse


@contextmanager
def webhook(refuse: int = 0) -> Iterator[Taken]:
    """Posts end in ``bodies`` as JSON."""
    taken = Taken(refuse=refuse)

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refused = taken.refuses()
            if not refused:
                taken.bodies.append(json.loads(body))
            self.send_response(503 if refused else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with _served(HTTPServer(("127.0.0.1", 0), Hook)) as port:
        taken.url = f"http://127.0.0.1:{port}/hook/CANARY_SECRET_PATH"
        yield taken


@contextmanager
def mail_server(refuse: int = 0) -> Iterator[Taken]:
    """Messages end in ``bodies`` as text."""
    taken = Taken(refuse=refuse)

    class Mail(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    text = b""
                    for part in self.rfile:
                        if part == b".\r\n":
                            break
                        text += part
                    taken.bodies.append(text.decode())
                elif word == b"MAIL" and taken.refuses():
                    self.wfile.write(b"451 later\r\n")
                    continue
                elif word == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write(b"250 ok\r\n")

    with _served(socketserver.TCPServer(("127.0.0.1", 0), Mail)) as port:
        taken.url = f"smtp://127.0.0.1:{port}"
        yield taken


@contextmanager
def _served(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()
