"""Paths in an object store, such as ``s3://bucket/folder``, with the reading methods of ``pathlib.Path``.

Readers use a ``StorePath`` like a local path. Libraries that open a path by themselves cannot: they get the file that
``as_local_file`` downloads. Writers use ``durable.new_file``, which writes a local temporary file and stores it whole.

An object store has no folders, renames, permissions and locks. Here, a folder exists without being created; a rename
copies, compares and deletes; a read-only file has an empty marker object next to it; locks belong to the warehouse
(``files/lock.py``).
"""

import errno
import hashlib
import io
import os
import stat
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path, PosixPath
from typing import IO, Any, Final, Self, cast
from urllib.parse import urlsplit

from cdr_pipeline.errors import StoreUnavailable
from cdr_pipeline.files.clients.client import ListedObject
from cdr_pipeline.files.extras import missing_extra
from cdr_pipeline.files.spool import new_spool_file
from cdr_pipeline.files.store_client import (
    CLIENTS,
    UNAVAILABLE_HINT,
    client_of,
    file_system,
    translated,
)

SCHEMES: Final = tuple(CLIENTS)
_DRIVES: Final = tuple(f"{scheme}:" for scheme in SCHEMES)
_BLOCK: Final = 4 * 1024**2
_SEALED: Final = ".sealed"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a listing: its path, size in bytes, time of the last change and entity tag."""

    path: "StorePath"
    size: int
    changed_at: datetime
    tag: str

    def stat(self) -> os.stat_result:
        """Size, time and kind of file; the inode is a number made from the entity tag."""
        inode = int.from_bytes(hashlib.sha256(f"{self.tag}{self.changed_at}".encode()).digest()[:7])
        seconds = self.changed_at.timestamp()
        values = (stat.S_IFREG | 0o600, inode, 0, 1, 0, 0, self.size, int(seconds), int(seconds), int(seconds))
        return os.stat_result(values, {"st_mtime": seconds, "st_mtime_ns": int(seconds * 1e9)})


class StorePath(PosixPath):
    """A path in an object store. ``str`` is its URL.

    A missing file raises FileNotFoundError, as on a disk. A store that fails raises StoreUnavailable or StoreRefused,
    never an OSError: an outage must not look like a missing or damaged file.
    """

    __slots__ = ()

    def __str__(self) -> str:
        """The URL, or the relative path if it has no bucket."""
        scheme, *rest = self.parts or ("",)
        return f"{scheme}//{'/'.join(rest)}" if scheme in _DRIVES else super().__str__()

    def __fspath__(self) -> str:
        """Raises TypeError: the system cannot open an object."""
        raise TypeError(f"{self} is in an object store and has no local path")

    @property
    def key(self) -> str:
        """Bucket and key, as fsspec expects them."""
        scheme, *rest = self.parts or ("",)
        if scheme not in _DRIVES:
            raise ValueError(f"{self} is not a path in an object store")
        return "/".join(rest)

    def is_absolute(self) -> bool:
        """True: a URL does not depend on the working directory."""
        return True

    def absolute(self) -> Self:
        """The path itself."""
        return self

    def expanduser(self) -> Self:
        """The path itself."""
        return self

    def resolve(self, strict: bool = False) -> Self:  # noqa: ARG002, FBT001, FBT002 - the signature of pathlib
        """The path itself: an object store has no links."""
        return self

    def described(self) -> StoredObject:
        """Size, time and tag of the object.

        Raises:
            FileNotFoundError: the object does not exist.
        """
        with translated(self):
            client = client_of(self)
            entry = client.entry(client.files.info(self.key))
            if entry.is_folder:
                raise FileNotFoundError(errno.ENOENT, "No such file", str(self))
        return _described(self, entry)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:  # noqa: ARG002
        """As ``described``."""
        return self.described().stat()

    def lstat(self) -> os.stat_result:
        """As ``stat``."""
        return self.stat()

    def is_file(self) -> bool:
        """Whether the object exists."""
        try:
            self.described()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether an object is below the path."""
        return next(self._entries(), None) is not None

    def exists(self) -> bool:
        """Whether the object exists, or an object below the path."""
        return self.is_file() or self.is_dir()

    def is_symlink(self) -> bool:
        """False: an object store has no links."""
        return False

    def read_bytes(self) -> bytes:
        """Content of the object."""
        with translated(self):
            return cast("bytes", file_system(self).cat_file(self.key))

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Text of the object."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def open(  # type: ignore[override]
        self,
        mode: str = "r",
        buffering: int = -1,  # noqa: ARG002
        encoding: str | None = None,  # noqa: ARG002
        errors: str | None = None,  # noqa: ARG002
        newline: str | None = None,  # noqa: ARG002
    ) -> IO[Any]:
        """Opens the object for binary reading, which reads ranges of a few megabytes."""
        if mode != "rb":
            raise ValueError(f"{self} is in an object store: only binary reading is possible")
        return io.BufferedReader(_Reader(self), buffer_size=_BLOCK)

    def iterdir(self) -> Generator[Self]:
        """Files and folders directly in the folder."""
        for path, _ in self._entries():
            yield path

    def glob(self, pattern: str) -> Generator[Self]:
        """Paths below the folder that match the pattern, one folder level for each part of it."""
        first, _, rest = pattern.partition("/")
        # The store lists only the names that begin with the text before the first wildcard.
        fixed = first.split("*")[0].split("[")[0].split("?")[0]
        for path, is_folder in self._entries(fixed):
            if not fnmatchcase(path.name, first):
                continue
            if not rest:
                yield path
            elif is_folder:
                yield from path.glob(rest)

    def rglob(self, pattern: str) -> Generator[Self]:
        """Files below the folder at any depth whose names match the pattern."""
        for item in self.objects():
            if fnmatchcase(item.path.name, pattern):
                yield cast("Self", item.path)

    def objects(self) -> Iterator[StoredObject]:
        """Every object below the path, by key."""
        with translated(self):
            found = client_of(self).below(self.key)
        for entry in sorted(found, key=lambda entry: entry.key):
            path = type(self)(f"{self.parts[0]}//{entry.key}")
            if not entry.is_folder and not entry.key.endswith("/") and not _is_marker(path.name):
                yield _described(path, entry)

    def _entries(self, prefix: str = "") -> Generator[tuple[Self, bool]]:
        """Paths directly in the folder, and whether each is a folder."""
        with translated(self):
            found = client_of(self).folder(self.key, prefix)
        for entry in sorted(found, key=lambda entry: entry.key):
            path = type(self)(f"{self.parts[0]}//{entry.key.rstrip('/')}")
            if path != self and not _is_marker(path.name):
                yield path, entry.is_folder

    def unlink(self, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002
        """Deletes the object and its read-only marker."""
        if not missing_ok and not self.is_file():
            raise FileNotFoundError(errno.ENOENT, "No such file", str(self))
        with translated(self):
            for key in (self.key, self._marker.key):
                with suppress(FileNotFoundError):
                    file_system(self).rm_file(key)

    def rename(self, target: "str | os.PathLike[str]") -> Self:
        """Copies the object, compares both and deletes the first; a reader may see both for a moment."""
        if not isinstance(target, StorePath):
            raise TypeError("both paths of a rename must be in the object store")
        sealed, sha256 = self.is_read_only(), sha256_of(self)
        with translated(self):
            file_system(self).cp_file(self.key, target.key)
        _require_same_bytes(target, sha256)
        if sealed:
            target.make_read_only()
        self.unlink(missing_ok=True)
        return cast("Self", target)

    def replace(self, target: "str | os.PathLike[str]") -> Self:
        """As ``rename``."""
        return self.rename(target)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002
        """Does nothing: an object store has no folders."""

    def rmdir(self) -> None:
        """Does nothing: an object store has no folders."""

    def is_read_only(self) -> bool:
        """Whether the object has a read-only marker."""
        return self._marker.is_file()

    def make_read_only(self) -> None:
        """Creates the read-only marker."""
        with translated(self, creates=True):
            file_system(self).pipe_file(self._marker.key, b"")

    @property
    def _marker(self) -> Self:
        return self.with_name(f".{self.name}{_SEALED}")


def parse_url(text: str) -> StorePath:
    """The path of a URL.

    Raises:
        ValueError: the scheme is not supported, its library is not installed, the bucket is missing, or the URL
            contains credentials or a query.
    """
    parts = urlsplit(text)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"must be a folder or a URL that begins with {' or '.join(f'{name}://' for name in SCHEMES)}")
    kind = CLIENTS[parts.scheme]
    form = f"{parts.scheme}://{kind.bucket.upper()}/FOLDER"
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            f"must be {form} without account, credentials and options, which come from the environment: "
            f"{kind.credentials}"
        )
    if not parts.netloc:
        raise ValueError(f"must name a {kind.bucket}: {form}")
    if any(part in (".", "..") for part in parts.path.split("/")):
        raise ValueError("must not contain . or .. as a folder")
    if command := missing_extra(kind.extra):
        raise ValueError(f"{parts.scheme}:// needs another library: {command}")
    return StorePath(text)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def store(local: Path, target: StorePath, *, replace: bool) -> None:
    """Stores a local file under its name, reads it back and compares it.

    Args:
        local: local file.
        target: path in the store.
        replace: whether another object of that name may be overwritten. If not, the store itself refuses it
            (``If-None-Match: *``, ``ifGenerationMatch=0``).

    Raises:
        FileExistsError: the name belongs to an object with other bytes, or to a read-only one.
        StoreUnavailable: the store failed, or returned other bytes than were written.
    """
    sha256 = sha256_of(local)
    if replace and target.is_read_only():
        raise FileExistsError(errno.EEXIST, "A sealed file is never overwritten", str(target))
    if not replace and target.is_file():
        _require_equal(target, sha256)
        return
    try:
        with translated(target, creates=True):
            file_system(target).put_file(str(local), target.key, mode="overwrite" if replace else "create")
    except FileExistsError:
        # Another writer was faster, or the reply to the first attempt was lost and the file is already there.
        _require_equal(target, sha256)
        return
    try:
        _require_same_bytes(target, sha256)
    except StoreUnavailable:
        # The damaged object is this writer's own. Deleted, the next attempt can use its name.
        if not replace:
            target.unlink(missing_ok=True)
        raise


def _require_equal(target: StorePath, sha256: str) -> None:
    if sha256_of(target) != sha256:
        raise FileExistsError(errno.EEXIST, "Another file has this name", str(target))


def _require_same_bytes(target: StorePath, sha256: str) -> None:
    if sha256_of(target) != sha256:
        raise StoreUnavailable(
            f"{target.name}: the object store returned other bytes than were written", hint=UNAVAILABLE_HINT
        )


@contextmanager
def as_local_file(path: Path) -> Generator[Path]:
    """Path of a local file with the same bytes: the path itself, or a download that is deleted after the block."""
    if not isinstance(path, StorePath):
        yield path
        return
    local = download(path)
    try:
        yield local
    finally:
        local.unlink(missing_ok=True)


def download(path: StorePath) -> Path:
    """Downloads an object to a temporary file, which the caller deletes."""
    local = new_spool_file(path.name)
    try:
        with translated(path):
            file_system(path).get_file(path.key, str(local))
    except BaseException:
        local.unlink(missing_ok=True)
        raise
    return local


def check_store(folder: StorePath) -> None:
    """Writes, lists, reads and deletes a small object below the folder.

    Raises:
        StoreRefused: bucket, credentials or rights are wrong.
        StoreUnavailable: the store cannot be reached.
    """
    probe = folder / f".check-{os.getpid()}-{threading.get_ident()}"
    local = new_spool_file("check")
    try:
        local.write_bytes(b"cdr-pipeline config check\n")
        store(local, probe, replace=False)
        if probe not in {item.path for item in folder.objects() if item.path.name == probe.name}:
            raise StoreUnavailable(f"{folder}: a file that was just written is not listed", hint=UNAVAILABLE_HINT)
        probe.unlink()
    finally:
        local.unlink(missing_ok=True)


class _Reader(io.RawIOBase):
    """Reads an object by ranges."""

    def __init__(self, path: StorePath) -> None:
        super().__init__()
        self._path, self._at = path, 0
        self._size = path.described().size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - the buffer of io.RawIOBase
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        with translated(self._path):
            content = cast("bytes", file_system(self._path).cat_file(self._path.key, start=self._at, end=end))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def _described(path: StorePath, entry: ListedObject) -> StoredObject:
    return StoredObject(path, entry.size, entry.changed_at, entry.tag)


def _is_marker(name: str) -> bool:
    return name.startswith(".") and name.endswith(_SEALED)
