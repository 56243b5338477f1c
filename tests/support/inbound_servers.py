"""A web server, an FTP server and a mail server on loopback, over TLS, with faults on demand."""

import base64
import datetime as dt
import email.policy
import http.server
import re
import socketserver
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import trustme

USER, PASSWORD = "cdr", "hunter2"


@dataclass
class Trust:
    """An authority, its file, and a server certificate that is valid or expired."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    @property
    def ca_file(self) -> Path:
        path = self.folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(path))
        return path

    def context(self, *, expired: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate(expired).configure_cert(context)
        return context

    def pem(self) -> Path:
        path = self.folder / "server.pem"
        certificate = self._certificate(expired=False)
        path.write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
        return path

    def _certificate(self, expired: bool) -> trustme.LeafCert:
        past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        return self.authority.issue_cert("127.0.0.1", not_after=past if expired else None)


@contextmanager
def _served(handler: type[socketserver.BaseRequestHandler], context: ssl.SSLContext) -> Iterator[int]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            try:
                with context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)
            except OSError:
                return

    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join(10)
    server.server_close()


@dataclass
class WebServer:
    """Files by path, and faults: requests to be cut in the middle, and links that the index page has besides."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    cut: int = 0
    links: list[str] = field(default_factory=list[str])
    ranges: list[str] = field(default_factory=list[str])


@contextmanager
def web_server(context: ssl.SSLContext) -> Iterator[WebServer]:  # noqa: C901 - a server in one place
    """A web server with an index page at /out/, behind a login."""
    server = WebServer()
    login = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(self.path)
            if self.headers.get("Authorization") != login:
                return self._answer(401, b"")
            if path == "/out/":
                links = [*(name for name in server.files), *server.links]
                return self._answer(200, "".join(f'<a href="{link}">x</a>' for link in links).encode())
            content = server.files.get(path.rpartition("/")[2])
            if content is None:
                return self._answer(404, b"")
            wanted = self.headers.get("Range")
            if wanted:
                server.ranges.append(wanted)
            first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            return self._answer(206 if wanted else 200, content[first:], ETag=f'"{hash(content)}"')

        def _answer(self, status: int, content: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if server.cut and status == 200 and len(content) > 1000:
                server.cut -= 1
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(content)

    with _served(Handler, context) as server.port:
        yield server


@dataclass
class MailServer:
    """Mails by number, where moved ones went, and how often a mail's attachment was read."""

    port: int = 0
    mails: dict[int, EmailMessage] = field(default_factory=dict[int, EmailMessage])
    moved: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    bodies: int = 0

    def deliver(self, sender: str, **attachments: bytes) -> None:
        """Puts a mail with attachments into the folder; __ in a name is a dot."""
        mail = EmailMessage()
        mail["From"], mail["Subject"] = f"Carrier <{sender}>", "CDR"
        mail.set_content("see attachment")
        for name, content in attachments.items():
            mail.add_attachment(content, maintype="text", subtype="csv", filename=name.replace("__", "."))
        self.mails[max(self.mails, default=0) + 1] = mail


@contextmanager
def mail_server(context: ssl.SSLContext) -> Iterator[MailServer]:  # noqa: C901 - a server in one place
    """A mail server with the commands of IMAP4rev1 that a reader of mails needs, and UIDPLUS."""
    server = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._send(b"* OK ready")
            while line := self.rfile.readline():
                tag, _, command = line.rstrip(b"\r\n").partition(b" ")
                text = command.decode()
                word = text.split(" ", 1)[0].upper()
                if word == "UID":
                    word, text = text.split(" ")[1].upper(), text.partition(" ")[2]
                status = getattr(self, f"on_{word.lower()}")(text)
                self._send(tag + b" " + (status or b"OK done"))
                if word == "LOGOUT":
                    return

        def _send(self, line: bytes) -> None:
            self.wfile.write(line + b"\r\n")

        def on_capability(self, _: str) -> None:
            self._send(b"* CAPABILITY IMAP4rev1 UIDPLUS")

        def on_login(self, text: str) -> bytes | None:
            return None if PASSWORD in text else b"NO [AUTHENTICATIONFAILED] no"

        def on_select(self, text: str) -> bytes | None:
            if "cdr" not in text and "INBOX" not in text:
                return b"NO no such folder"
            self._send(b"* 1 EXISTS")
            self._send(b"* OK [UIDVALIDITY 7] valid")
            return None

        on_examine = on_select

        def on_search(self, _: str) -> None:
            self._send(b"* SEARCH " + b" ".join(str(number).encode() for number in sorted(server.mails)))

        def on_fetch(self, text: str) -> None:
            number = int(text.split(" ")[1])
            mail = server.mails.get(number)
            if mail is None:
                return
            section = re.search(r"BODY\.PEEK\[(\d+)\]", text)
            if section:
                server.bodies += 1
                part = list(mail.iter_parts())[int(section[1]) - 1]
                payload = part.get_payload()
                assert isinstance(payload, str)
                content = payload.encode()
                self._send(
                    f"* 1 FETCH (UID {number} BODY[{section[1]}] {{{len(content)}}}".encode() + b"\r\n" + content + b")"
                )
                return
            structure = " ".join(_structure(part) for part in mail.iter_parts())
            header = f"From: {mail['From']}\r\n\r\n".encode()
            self._send(
                f'* 1 FETCH (UID {number} INTERNALDATE "02-Mar-2026 10:00:00 +0000" BODYSTRUCTURE ({structure}'
                f' "MIXED" ("BOUNDARY" "x") NIL NIL) BODY[HEADER.FIELDS (FROM)] {{{len(header)}}}'.encode()
                + b"\r\n"
                + header
                + b")"
            )

        def on_create(self, text: str) -> None:
            server.moved.setdefault(text.split('"')[1], [])

        def on_copy(self, text: str) -> None:
            server.moved[text.split('"')[1]].append(int(text.split(" ")[1]))

        def on_store(self, _: str) -> None:
            """The mail goes with EXPUNGE."""

        def on_expunge(self, text: str) -> None:
            server.mails.pop(int(text.split(" ")[1]))

        def on_logout(self, _: str) -> None:
            self._send(b"* BYE")

    with _served(Handler, context) as server.port:
        yield server


def _structure(part: Any) -> str:
    body = part.as_bytes(policy=email.policy.default).partition(b"\n\n")[2]
    kind, _, subtype = part.get_content_type().partition("/")
    name = part.get_filename()
    disposition = f'("ATTACHMENT" ("FILENAME" "{name}"))' if name else "NIL"
    encoding = part["Content-Transfer-Encoding"] or "7BIT"
    return f'("{kind}" "{subtype}" NIL NIL NIL "{encoding}" {len(body)} 1 NIL {disposition} NIL NIL)'


@dataclass
class FtpServer:
    """Where it listens, and its folder."""

    port: int
    folder: Path


@contextmanager
def ftps_server(folder: Path, certificate: Path) -> Iterator[FtpServer]:
    """An FTP server that requires TLS for commands and data."""
    with warnings.catch_warnings():
        # It uses asyncore of the standard library where that still exists.
        warnings.simplefilter("ignore", DeprecationWarning)
        from pyftpdlib.authorizers import DummyAuthorizer  # noqa: PLC0415 - only where it is used
        from pyftpdlib.handlers import TLS_FTPHandler  # noqa: PLC0415
        from pyftpdlib.servers import FTPServer  # noqa: PLC0415

    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(folder), perm="elradfmwMT")
    handler = type(
        "Handler",
        (TLS_FTPHandler,),
        {
            "authorizer": authorizer, "certfile": str(certificate), "tls_control_required": True,
            "tls_data_required": True,
        },
    )  # fmt: skip
    server = FTPServer(("127.0.0.1", 0), handler)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            server.serve_forever(timeout=0.05, blocking=False, handle_exit=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield FtpServer(server.address[1], folder)
    ended.set()
    thread.join(10)
    server.close_all()
