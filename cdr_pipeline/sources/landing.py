"""Landing files: the bytes as they were received, kept so that any day can be loaded again without the switch.

A landed window is one file of gzip members, one for each reply, and an index file in the same folder. The index is
written last: a window without an index has not landed.
"""

import gzip
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

from cdr_pipeline.errors import CdrError, UnreadableUpload
from cdr_pipeline.files import durable
from cdr_pipeline.sources.uploads.opening import open_regular
from cdr_pipeline.sources.upstream import LandedReply, ListPage, Part, Window

_SCHEMA: Final = 1
_INDEX: Final = ".index.json"
# Upstream of the files that landed before the index named it.
_FIRST_UPSTREAM: Final = "kazoo"
_CHUNK: Final = 1024**2
# landing/api/{account}/{yyyy}/{mm}/{dd} and landing/uploads: mkdir sets the mode of the last folder only.
_WINDOW_LEVELS: Final = 6
_UPLOAD_LEVELS: Final = 2
# Twice as fast as the default level, with files that are a quarter larger.
_LEVEL: Final = 3
# Most replies that wait for compression while the next one is fetched; each may have the client's largest size.
_WAITING: Final = 2


class LandingDamaged(CdrError):
    """A landing file is missing, truncated or changed. Collect the window again."""

    code = "landing_damaged"
    exit_code = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One reply in a landing file.

    Attributes:
        offset, length: position and size of the gzip member, in bytes.
        sha256: hash of the reply's body.
        rows: number of list rows in the reply.
        part: list page or detail document.
        keys: union of the rows' keys if the page needed neither folding of keys nor repair; ``cut_page`` can then
            take the rows from the body unchanged. None otherwise.
    """

    offset: int
    length: int
    sha256: str
    rows: int
    part: Part
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Reply:
    """A reply to write: its body, ``part``, ``rows`` and ``keys`` of its entry, and the bytes of its list rows."""

    body: bytes
    part: Part
    rows: int = 0
    keys: tuple[str, ...] | None = None
    listed: bytes = b""


@dataclass(frozen=True, slots=True)
class LandedFile:
    """An uploaded file in landing."""

    path: Path
    sha256: str
    size: int


def window_path(landing_dir: Path, account_id: str, window: Window, landed_at: datetime) -> Path:
    """Path of an account's landed window. Each attempt has its own path, so that no attempt overwrites another."""
    day = window.starts_at.astimezone(UTC)
    name = f"{_stamp(window.starts_at)}--{_stamp(window.ends_at)}--{_stamp(landed_at)}{landed_at:%f}.pages.gz"
    return landing_dir / "api" / account_id / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}" / name


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


class LandingWriter:
    """Context manager that writes one window. The file becomes visible only when the block ends without an error.

    If the rows are the same as those that landed before, nothing is written: reading a day again uses no disk space.
    Until that is known, replies are not compressed.

    From the second reply on, a background thread hashes, compresses and writes them in order while the next one is
    fetched. An error in that thread is raised by a later call or at the end of the block.

    Args:
        path: file of the window.
        account_id, window, upstream, dialect: recorded in the index.
        known_rows: ``rows_sha256`` of the window as it landed before; None writes the file in any case.

    Attributes:
        rows, bytes: number of list rows and of bytes added so far.
        rows_sha256: hash of the list rows; set when the block ends.
        unchanged: whether the rows are the same as before and the file was discarded; set when the block ends.
    """

    def __init__(
        self,
        path: Path,
        *,
        account_id: str,
        window: Window,
        upstream: str,
        dialect: str,
        known_rows: str | None = None,
    ) -> None:
        self.path = path
        self.rows_sha256 = ""
        self.unchanged = False
        self._known_rows = known_rows
        self._packed = known_rows is None
        self._rows_hash = hashlib.sha256()
        self.rows = 0
        self.bytes = 0
        self._about = {
            "landing_schema": _SCHEMA,
            "kind": "api_pages",
            "account_id": account_id,
            "starts_at": window.starts_at.isoformat(),
            "ends_at": window.ends_at.isoformat(),
            "upstream": upstream,
            "dialect": str(dialect),
        }
        self._entries: list[Entry] = []
        self._fresh: durable.NewFile | None = None
        self._first: _Reply | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[None]] = deque()
        self._open = False

    def __enter__(self) -> Self:
        self._open = True
        return self

    def add_page(self, body: bytes, page: ListPage) -> None:
        """Appends a list page."""
        keys = tuple(sorted(page.keys)) if page.plain else None
        self._add(_Reply(body, "page", page.rows, keys, page.listed))

    def add_detail(self, body: bytes) -> None:
        """Appends a detail document."""
        self._known_rows = None
        self._add(_Reply(body, "detail"))

    def _add(self, reply: _Reply) -> None:
        if not self._open:
            raise ValueError("the landing file is not open")
        self.rows += reply.rows
        self.bytes += len(reply.body)
        if self._first is None and self._thread is None:
            self._first = reply
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="land")
        while len(self._waiting) >= _WAITING:
            self._waiting.popleft().result()
        for waiting in filter(None, (self._first, reply)):
            self._waiting.append(self._thread.submit(self._hash_and_write, waiting))
        self._first = None

    def _hash_and_write(self, reply: _Reply) -> None:
        self._rows_hash.update(reply.listed)
        self._write(reply)

    def _write(self, reply: _Reply) -> None:
        fresh = self._new_file()
        content = gzip.compress(reply.body, compresslevel=_LEVEL, mtime=0) if self._packed else reply.body
        digest = hashlib.sha256(reply.body).hexdigest()
        self._entries.append(Entry(fresh.handle.tell(), len(content), digest, reply.rows, reply.part, reply.keys))
        fresh.write(content)

    def _new_file(self) -> durable.NewFile:
        if self._fresh is None:
            durable.make_folder(self.path.parent, levels=_WINDOW_LEVELS)
            self._fresh = durable.NewFile(self.path, *durable.unplaced(self.path))
        return self._fresh

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=kind is not None)
        try:
            if kind is None:
                self._finish()
        finally:
            self._discard()

    def _finish(self) -> None:
        """Places the file and its index, unless the rows are known."""
        for write in self._waiting:
            write.result()
        if self._first is not None:
            self._rows_hash.update(self._first.listed)
        self.rows_sha256 = self._rows_hash.hexdigest()
        if self.rows_sha256 == self._known_rows:
            self.unchanged = True
            return
        if not self._packed:
            self._pack()
        if self._first is not None:
            self._write(self._first)
        self._new_file().place(replace=False)
        index = self._about | {"rows": self.rows, "entries": self._entries}
        durable.write_file(_index_of(self.path), orjson.dumps(index), replace=False)

    def _pack(self) -> None:
        """Compresses the replies that were written as they are, because their rows might have been known."""
        self._packed = True
        loose, entries = self._fresh, self._entries
        if loose is None:
            return
        self._fresh, self._entries = None, []
        loose.handle.close()
        try:
            with loose.path.open("rb") as replies:
                for entry in entries:
                    self._write(_Reply(replies.read(entry.length), entry.part, entry.rows, entry.keys))
        finally:
            loose.path.unlink()

    def _discard(self) -> None:
        """Deletes the hidden file; one that was placed has another name."""
        if self._fresh is not None:
            self._fresh.handle.close()
            self._fresh.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class LandingFile:
    """A landed window: its file, the entries of its index and the name of the upstream that it came from."""

    path: Path
    entries: tuple[Entry, ...]
    upstream: str = _FIRST_UPSTREAM

    @classmethod
    def open(cls, path: Path) -> Self:
        """Reads the index.

        Raises:
            LandingDamaged: the index is missing or unreadable, or has a schema that this version does not support.
        """
        try:
            index = orjson.loads(_index_of(path).read_bytes())
            if index["landing_schema"] != _SCHEMA:
                raise LandingDamaged(
                    f"landing file {path.name} is of another schema than {_SCHEMA}",
                    hint="load it with the version that landed it, or collect the day again",
                )
            entries = tuple(_entry(entry) for entry in index["entries"])
            return cls(path, entries, str(index.get("upstream", _FIRST_UPSTREAM)))
        except (OSError, ValueError, KeyError, TypeError):
            raise LandingDamaged(
                f"landing file {path.name} has no readable index", hint="collect the day again"
            ) from None

    @property
    def rows(self) -> int:
        """Number of list rows."""
        return sum(entry.rows for entry in self.entries)

    @property
    def only_pages(self) -> bool:
        """Whether there are no detail documents, which are not part of the hash of the rows."""
        return all(entry.part == "page" for entry in self.entries)

    def replies(self) -> Iterator[LandedReply]:
        """Yields every reply in order, with one in memory at a time.

        Raises:
            LandingDamaged: the file is missing or truncated, or a reply does not match its hash in the index.
        """
        try:
            with self.path.open("rb") as handle:
                for entry in self.entries:
                    handle.seek(entry.offset)
                    body = gzip.decompress(handle.read(entry.length))
                    if hashlib.sha256(body).hexdigest() != entry.sha256:
                        raise LandingDamaged(f"landing file {self.path.name} has changed", hint="collect the day again")
                    yield LandedReply(entry.part, body, entry.rows, entry.keys)
        except (OSError, EOFError):
            raise LandingDamaged(
                f"landing file {self.path.name} is missing or cut", hint="collect the day again"
            ) from None


def _entry(attributes: dict[str, Any]) -> Entry:
    keys = attributes.pop("keys", None)
    return Entry(**attributes, keys=None if keys is None else tuple(keys))


def land_upload(source: Path, landing_dir: Path) -> LandedFile:
    """Copies an uploaded file to landing under its sha256; the same bytes land once.

    Raises:
        UnreadableUpload: the source is not a regular file, or it changed during the copy.
    """
    folder = landing_dir / "uploads"
    durable.make_folder(folder, levels=_UPLOAD_LEVELS)
    digest = hashlib.sha256()
    size = 0
    with open_regular(source) as content, durable.new_file(folder / "upload") as fresh:
        before = os.fstat(content.fileno())
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            fresh.write(chunk)
        after = os.fstat(content.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or size != after.st_size:
            raise UnreadableUpload(f"{source.name} changed while it was read", hint="wait until the file is complete")
        name = digest.hexdigest()
        fresh.target = folder / name[:2] / name
        durable.make_folder(fresh.target.parent)
        fresh.place()
    return LandedFile(fresh.target, name, size)


def _index_of(path: Path) -> Path:
    return path.with_name(path.name + _INDEX)
