"""An SFTP server and an object store on loopback, with faults on demand."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncssh


@dataclass
class SftpServer:
    """Where it listens, its folder, what a client needs to know, and its faults.

    Attributes:
        cut_after: bytes that are written or read before the connection is cut once.
        refuse_rename: whether renames are refused.
        stall_seconds: time before each read is answered.
        listed_as: name that a listing has for every file.
    """

    port: int
    folder: Path
    known_hosts: Path
    key_file: Path
    cut_after: int | None = None
    refuse_rename: bool = False
    stall_seconds: float = 0.0
    listed_as: str = ""


class _Sftp(asyncssh.SFTPServer):
    server: SftpServer

    def __init__(self, channel: Any) -> None:
        self.written = 0
        super().__init__(channel, chroot=bytes(self.server.folder))

    def _count(self, size: int) -> None:
        self.written += size
        if self.server.cut_after is not None and self.written > self.server.cut_after:
            self.server.cut_after = None
            self.channel.abort()
            raise asyncssh.SFTPConnectionLost("cut")

    async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        await asyncio.sleep(self.server.stall_seconds)
        data = super().read(file_obj, offset, size)
        assert isinstance(data, bytes)
        self._count(len(data))
        return data

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        async for entry in super().scandir(path):
            if self.server.listed_as and entry.filename not in (b".", b".."):
                entry.filename = self.server.listed_as.encode()
            yield entry

    def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        self._count(len(data))
        return super().write(file_obj, offset, data)  # type: ignore[no-any-return]

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        if self.server.refuse_rename:
            raise asyncssh.SFTPPermissionDenied("no")
        return super().posix_rename(oldpath, newpath)


@contextmanager
def sftp_server(place: Path) -> Iterator[SftpServer]:
    """An SFTP server with a host key that is in its known_hosts file."""
    folder = place / "incoming"
    folder.mkdir(parents=True)
    host_key, client_key = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    client_key.write_private_key(str(place / "client_key"))
    client_key.write_public_key(str(place / "authorized"))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = SftpServer(0, folder, place / "known_hosts", place / "client_key")
    handler = type("Handler", (_Sftp,), {"server": server})

    accepted: list[Any] = []

    class Accepting(asyncssh.SSHServer):
        def connection_made(self, conn: Any) -> None:
            accepted.append(conn)

    async def listen() -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Accepting,
            server_host_keys=[host_key],
            sftp_factory=handler,
            authorized_client_keys=str(place / "authorized"),
        )

    listener = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    server.port = listener.get_port()
    public = host_key.export_public_key().decode().strip()
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {public}\n")

    async def close() -> None:
        listener.close()
        # What a client has not closed yet would be closed by the collector of garbage, in another test.
        for connection in accepted:
            connection.abort()
            await connection.wait_closed()
        await listener.wait_closed()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    yield server
    asyncio.run_coroutine_threadsafe(close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@dataclass
class ObjectStore:
    """Objects by key, uploads in parts that nobody has ended, and how many requests are still to go wrong.

    Attributes:
        slow_down: requests to be answered with SlowDown.
        damage: objects to arrive without their last byte.
        lose_part: requests with the second part of an upload to be refused.
        aborted: uploads in parts that were given up by their sender.
    """

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    slow_down: int = 0
    damage: int = 0
    lose_part: int = 0
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict[str, dict[int, bytes]])
    aborted: int = 0
    order: list[str] = field(default_factory=list[str])


class _S3(BaseHTTPRequestHandler):
    store: ObjectStore
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        length = headers.pop("length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/")

    def _slow(self) -> bool:
        if self.store.slow_down <= 0:
            return False
        self.store.slow_down -= 1
        self._answer(503, b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>")
        return True

    def do_PUT(self) -> None:
        body = self._body()
        if self._slow():
            return
        if upload := self._query("uploadId"):
            self._take_part(upload, int(self._query("partNumber")), body)
            return
        source = self.headers.get("x-amz-copy-source")
        if source:
            body = self.store.objects[unquote(source).lstrip("/")]
        elif self.store.damage:
            self.store.damage -= 1
            body = body[:-1]
        self.store.objects[self._key()] = body
        self.store.order.append(self._key())
        tag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        reply = f"<CopyObjectResult><ETag>{tag}</ETag></CopyObjectResult>".encode() if source else b""
        self._answer(200, reply, ETag=tag)

    def _query(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True).get(name, [""])[0]

    def _take_part(self, upload: str, number: int, body: bytes) -> None:
        if number == 2 and self.store.lose_part:
            self.store.lose_part -= 1
            self._answer(400, b"<Error><Code>BadDigest</Code><Message>The part is damaged.</Message></Error>")
            return
        self.store.parts[upload][number] = body
        self._answer(200, ETag=f'"{number}"')

    def _body(self) -> bytes:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return content
        plain, rest = b"", content
        while rest:
            head, _, rest = rest.partition(b"\r\n")
            size = int(head.split(b";")[0], 16)
            if size == 0:
                break
            plain, rest = plain + rest[:size], rest[size + 2 :]
        return plain

    def do_GET(self) -> None:
        if self._slow():
            return
        content = self.store.objects.get(self._key())
        if content is None:
            listing = b"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>"
            if "list-type" in self.path:
                self._answer(200, listing)
            else:
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1 if last else None]
        self._answer(206 if "Range" in self.headers else 200, part, ETag='"x"')

    def do_HEAD(self) -> None:
        content = self.store.objects.get(self._key())
        if content is None:
            self._answer(404)
        else:
            self._answer(
                200, length=str(len(content)), ETag='"x"', Last_Modified="Tue, 24 Nov 2026 00:00:00 GMT",
            )  # fmt: skip

    def do_DELETE(self) -> None:
        if upload := self._query("uploadId"):
            del self.store.parts[upload]
            self.store.aborted += 1
            self._answer(204)
            return
        self.store.objects.pop(self._key(), None)
        self._answer(204)

    def do_POST(self) -> None:
        body = self._body().decode()
        if upload := self._query("uploadId"):
            parts = self.store.parts.pop(upload)
            self.store.objects[self._key()] = b"".join(parts[number] for number in sorted(parts))
            self.store.order.append(self._key())
            self._answer(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
            return
        if "uploads" in urlsplit(self.path).query:
            upload = f"upload-{len(self.store.order)}-{self.store.aborted}"
            self.store.parts[upload] = {}
            self._answer(
                200,
                f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>".encode(),
            )
            return
        for key in body.split("<Key>")[1:]:
            self.store.objects.pop(f"{self._key().rstrip('/')}/{key.partition('</Key>')[0]}", None)
        self._answer(200, b"<DeleteResult></DeleteResult>")


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """An object store that speaks enough S3."""
    store = ObjectStore()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_S3,), {"store": store}))
    server.daemon_threads = True
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield store
    server.shutdown()
    thread.join(10)
    server.server_close()
