"""Real servers on loopback that take alerts: a webhook over HTTP and a mail server over SMTP."""

import contextlib
import email
import email.policy
import json
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Taken:
    """What a server took; it refuses the first ``refuse`` tries."""

    url: str = ""
    refuse: int = 0
    tries: int = 0
    bodies: list[Any] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    encrypted: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def refuses(self) -> bool:
        self.tries += 1
        return self.tries <= self.refuse


@contextmanager
def webhook(refuse: int = 0, status: int = 503, seconds: float = 0, port: int = 0) -> Iterator[Taken]:
    """Posts end in ``bodies`` as JSON.

    Args:
        refuse: number of posts that it refuses first.
        status: status of a refusal.
        seconds: time before it answers.
        port: port to listen on; any free one by default.
    """
    taken = Taken(refuse=refuse)

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refused = taken.refuses()
            time.sleep(seconds)
            taken.ids.append(self.headers.get("Idempotency-Key", ""))
            if not refused:
                taken.bodies.append(json.loads(body))
            # A client that has given up is not there to answer.
            with contextlib.suppress(OSError):
                self.send_response(status if refused else 200)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with _served(HTTPServer(("127.0.0.1", port), Hook)) as bound:
        taken.url = f"http://127.0.0.1:{bound}/hook/CANARY_SECRET_PATH"
        yield taken


class Mail(socketserver.StreamRequestHandler):
    """A session of a mail server; its ``server`` has ``taken`` and ``context``, None without STARTTLS."""

    server: "MailServer"
    encrypted = False

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            taken = self.server.taken
            (taken.encrypted if self.encrypted else taken.lines).append(line.decode().strip())
            reply = self.replied(line[:4].upper())
            self.wfile.write(reply + b"\r\n")
            if reply.startswith(b"221") or (reply == b"220 go on" and not self.secured()):
                return

    def replied(self, word: bytes) -> bytes:
        taken, offered = self.server.taken, self.server.context is not None
        if word == b"DATA":
            self.wfile.write(b"354 go on\r\n")
            taken.bodies.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
        if word == b"MAIL" and taken.refuses():
            return b"451 later"
        if word == b"EHLO" and offered:
            return b"250-here\r\n250 " + (b"AUTH PLAIN" if self.encrypted else b"STARTTLS")
        return {b"QUIT": b"221 bye", b"AUTH": b"235 ok", b"STAR": b"220 go on"}.get(word, b"250 ok")

    def secured(self) -> bool:
        """Whether the client takes the server's certificate."""
        assert self.server.context is not None
        secure = self.server.context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
        self.request = secure
        try:
            secure.do_handshake()
        except OSError:
            secure.close()
            return False
        self.rfile, self.wfile = secure.makefile("rb"), secure.makefile("wb", buffering=0)
        self.encrypted = True
        return True

    def finish(self) -> None:
        super().finish()
        self.request.close()


class MailServer(socketserver.TCPServer):
    """Offers STARTTLS and logins when it has a certificate."""

    def __init__(self, taken: Taken, certificate: trustme.LeafCert | None) -> None:
        super().__init__(("127.0.0.1", 0), Mail)
        self.taken = taken
        self.context = None if certificate is None else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.context is not None and certificate is not None:
            certificate.configure_cert(self.context)


@contextmanager
def mail_server(refuse: int = 0, certificate: trustme.LeafCert | None = None) -> Iterator[Taken]:
    """Messages end in ``bodies`` as text, commands in ``lines`` and ``encrypted``."""
    taken = Taken(refuse=refuse)
    with _served(MailServer(taken, certificate)) as port:
        taken.url = f"smtp://127.0.0.1:{port}"
        yield taken


@contextmanager
def smtp_server(port: int = 0) -> Iterator[Taken]:
    """A complete mail server (aiosmtpd); messages end in ``bodies`` as text, their ids in ``ids``."""
    taken = Taken()

    class Inbox:
        async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - its name in aiosmtpd
            message = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)
            taken.bodies.append(str(message["Subject"]) + "\n" + message.get_content())
            taken.ids.append(str(message["Message-ID"]))
            return "250 taken"

    controller = Controller(Inbox(), hostname="127.0.0.1", port=port or free_port())
    controller.start()
    try:
        taken.url = f"smtp://127.0.0.1:{controller.port}"
        yield taken
    finally:
        controller.stop()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _served(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()
