"""SFTP with host keys from a file. The SSH configuration and agent of the operator have no effect."""

import stat
from collections.abc import Coroutine, Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast
from urllib.parse import unquote, urlsplit

import asyncssh
from fsspec.asyn import get_loop, sync
from fsspec.exceptions import FSTimeoutError

from cdr_pipeline.core.uploads.inbound_files import RemoteFile
from cdr_pipeline.sources.inbound.connection import BLOCK, Counted, Wanted
from cdr_pipeline.sources.inbound.places import Place

_CLOSE_SECONDS: Final = 5
_Result = TypeVar("_Result")


class SftpConnection:
    """A session of an SFTP server. Links are listed, and neither followed nor read."""

    resumes = True

    def __init__(self, place: Place) -> None:
        self._place = place
        self._root = unquote(urlsplit(place.url).path).rstrip("/") or "."
        self._loop = get_loop()
        self._client: asyncssh.SSHClientConnection | None = None
        self._files: asyncssh.SFTPClient = self._run(self._connect())

    def files(self, wanted: Wanted) -> Iterator[RemoteFile]:  # noqa: ARG002 - the listing has size and time
        """Yields the files down to the depth of the patterns."""
        counted = Counted(self._place.name, self._place.max_files)
        yield from self._in_folder("", self._place.depth, counted)

    def look(self, path: str) -> RemoteFile | None:
        """The file as it is now."""
        try:
            return _remote(path, self._run(self._files.lstat(self._path(path))))
        except asyncssh.SFTPNoSuchFile:
            return None

    def read(self, file: RemoteFile, offset: int) -> Generator[bytes]:
        """Yields the bytes from an offset on."""
        handle = self._run(self._opened(file.path))
        try:
            while block := self._run(handle.read(BLOCK, offset)):
                offset += len(block)
                yield block
        finally:
            with suppress(OSError, asyncssh.Error, FSTimeoutError):
                self._run(handle.close())

    def move(self, path: str, target: str) -> None:
        """Renames a file."""
        folder = target.rpartition("/")[0]
        if folder:
            self._run(self._files.makedirs(self._path(folder), exist_ok=True))
        self._run(self._files.rename(self._path(path), self._path(target)))

    def delete(self, path: str) -> None:
        """Deletes a file."""
        with suppress(asyncssh.SFTPNoSuchFile):
            self._run(self._files.remove(self._path(path)))

    def close(self) -> None:
        """Ends the session."""
        client = self._client
        if client is not None:
            client.close()
            with suppress(OSError, asyncssh.Error, FSTimeoutError):
                sync(self._loop, client.wait_closed, timeout=_CLOSE_SECONDS)

    def _in_folder(self, folder: str, depth: int, counted: Counted) -> Iterator[RemoteFile]:
        entries = self._run(self._files.readdir(self._path(folder) if folder else self._root))
        for entry in sorted(entries, key=lambda item: str(item.filename)):
            name = str(entry.filename)
            path = f"{folder}{name}"
            if name in (".", ".."):
                continue
            if entry.attrs.permissions is not None and stat.S_ISDIR(entry.attrs.permissions):
                if depth and path != self._place.move_to and "/" not in name:
                    yield from self._in_folder(f"{path}/", depth - 1, counted)
                continue
            counted.add()
            yield _remote(path, entry.attrs)

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    async def _opened(self, path: str) -> asyncssh.SFTPClientFile:
        return await self._files.open(self._path(path), "rb")

    async def _connect(self) -> asyncssh.SFTPClient:
        parts, place = urlsplit(self._place.url), self._place
        login: dict[str, Any] = (
            {"client_keys": [str(place.resolve(place.key_file))]}
            if place.key_file
            else {"client_keys": None, "password": place.password.get_secret_value() if place.password else None}
        )
        self._client = await asyncssh.connect(
            parts.hostname or "",
            parts.port or 22,
            username=unquote(parts.username or ""),
            # With an empty list every host is rejected; None would accept any.
            known_hosts=str(place.resolve(place.known_hosts)) if place.known_hosts else [],
            config=None,
            agent_path=None,
            connect_timeout=place.timeout_seconds,
            login_timeout=place.timeout_seconds,
            keepalive_interval=place.timeout_seconds,
            **login,
        )
        return await self._client.start_sftp_client()

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Runs a coroutine in the loop's thread, for at most the time of one answer."""

        async def awaited() -> _Result:
            return await work

        return cast("_Result", sync(self._loop, awaited, timeout=self._place.timeout_seconds))


def _remote(path: str, attributes: asyncssh.SFTPAttrs) -> RemoteFile:
    changed = None if attributes.mtime is None else datetime.fromtimestamp(attributes.mtime, UTC)
    # Servers that send no permissions list files only.
    regular = attributes.permissions is None or stat.S_ISREG(attributes.permissions)
    return RemoteFile(path, attributes.size, changed, regular=regular)
