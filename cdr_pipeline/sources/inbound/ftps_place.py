"""FTPS: FTP over TLS with verified certificates, for commands and for data."""

import ftplib
import ssl
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from cdr_pipeline.core.uploads.inbound_files import RemoteFile
from cdr_pipeline.sources.inbound.connection import BLOCK, Counted, Wanted
from cdr_pipeline.sources.inbound.places import Place
from cdr_pipeline.sources.inbound.trust import tls_context

_FACTS: Final = ["type", "size", "modify"]
_NO_FOLDER: Final = ("550", "501")


class _Session(ftplib.FTP_TLS):
    """A session whose data connections resume the TLS session, as many servers require."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
        """Opens a data connection over TLS."""
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - TLS follows
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        return self.context.wrap_socket(connection, server_hostname=self.host, session=session), size


class FtpsConnection:
    """A session of an FTP server over TLS. The server must list with MLSD (RFC 3659)."""

    resumes = True

    def __init__(self, place: Place) -> None:
        self._place = place
        parts = urlsplit(place.url)
        self._root = unquote(parts.path).rstrip("/")
        self._session = _Session(context=tls_context(place), timeout=place.timeout_seconds, encoding="utf-8")
        try:
            self._session.connect(parts.hostname or "", parts.port or 21)
            self._session.auth()
            self._session.login(
                unquote(parts.username or ""), place.password.get_secret_value() if place.password else "", secure=False
            )
            self._session.prot_p()
        except BaseException:
            self._session.close()
            raise

    def files(self, wanted: Wanted) -> Iterator[RemoteFile]:  # noqa: ARG002 - the listing has size and time
        """Yields the files down to the depth of the patterns."""
        yield from self._in_folder("", self._place.depth, Counted(self._place.name, self._place.max_files))

    def look(self, path: str) -> RemoteFile | None:
        """The file as it is now."""
        folder, _, name = path.rpartition("/")
        try:
            entries = dict(self._session.mlsd(self._path(folder), _FACTS))
        except ftplib.error_perm as error:
            # Servers answer 550 or 501 where there is no such folder.
            if str(error).startswith(_NO_FOLDER):
                return None
            raise
        facts = entries.get(name)
        return None if facts is None or facts.get("type") in ("dir", "cdir", "pdir") else _remote(path, facts)

    def read(self, file: RemoteFile, offset: int) -> Generator[bytes]:
        """Yields the bytes from an offset on."""
        self._session.voidcmd("TYPE I")
        data = self._session.transfercmd(f"RETR {self._path(file.path)}", rest=offset or None)
        complete = False
        try:
            while block := data.recv(BLOCK):
                yield block
            complete = True
        finally:
            if complete and isinstance(data, ssl.SSLSocket):
                with suppress(OSError):
                    data.unwrap()
            data.close()
            # After an interruption the server answers 426 or 226; either ends the transfer.
            if complete:
                self._session.voidresp()
            else:
                with suppress(OSError, EOFError, ftplib.Error):
                    self._session.voidresp()

    def move(self, path: str, target: str) -> None:
        """Renames a file."""
        folder = target.rpartition("/")[0]
        made = ""
        for part in folder.split("/") if folder else ():
            made = f"{made}/{part}" if made else part
            with suppress(ftplib.error_perm):
                self._session.mkd(self._path(made))
        self._session.rename(self._path(path), self._path(target))

    def delete(self, path: str) -> None:
        """Deletes a file."""
        self._session.delete(self._path(path))

    def close(self) -> None:
        """Ends the session."""
        with suppress(OSError, EOFError, ftplib.Error):
            self._session.quit()
        self._session.close()

    def _in_folder(self, folder: str, depth: int, counted: Counted) -> Iterator[RemoteFile]:
        for name, facts in sorted(self._session.mlsd(self._path(folder.rstrip("/")), _FACTS)):
            path = f"{folder}{name}"
            kind = facts.get("type", "file").lower()
            if kind in ("cdir", "pdir"):
                continue
            if kind == "dir":
                if depth and path != self._place.move_to and "/" not in name:
                    yield from self._in_folder(f"{path}/", depth - 1, counted)
                continue
            counted.add()
            yield _remote(path, facts)

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root or "/"


def _remote(path: str, facts: dict[str, str]) -> RemoteFile:
    size, modified = facts.get("size", ""), facts.get("modify", "")
    try:
        changed = datetime.strptime(modified[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        changed = None
    return RemoteFile(
        path, int(size) if size.isdecimal() else None, changed, regular=facts.get("type", "file").lower() == "file"
    )
