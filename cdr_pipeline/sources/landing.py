"""Landing: the untouched bytes that came in, kept so that any day can be loaded again without asking the switch.

A window is one file of gzip members, one for each reply, and an index beside it that is written last: a window without
an index has not landed.
"""

import gzip
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Literal, Self

import orjson

from cdr_pipeline.errors import CdrError, UnreadableUpload
from cdr_pipeline.files import durable
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.pages import Page
from cdr_pipeline.sources.kazoo.windows import Window
from cdr_pipeline.sources.uploads.opening import open_regular

Part = Literal["page", "detail"]
_SCHEMA: Final = 1
_INDEX: Final = ".index.json"
_CHUNK: Final = 1024**2
# landing/api/{account}/{yyyy}/{mm}/{dd} and landing/uploads: mkdir gives the mode to the last one only.
_WINDOW_LEVELS: Final = 6
_UPLOAD_LEVELS: Final = 2
# Twice as fast as the default and a quarter larger: a night waits for it, a disk does not.
_LEVEL: Final = 3
# Replies that wait to be packed while the next one is fetched; each may be as large as the client takes.
_WAITING: Final = 2


class LandingDamaged(CdrError):
    """A landing file is missing, cut or changed; collect the window again."""

    code = "landing_damaged"
    exit_code = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One reply in a landing file: where its gzip member lies, the hash of its body, and what it is.

    Attributes:
        offset, length: of the gzip member.
        sha256: of the reply.
        rows: list rows in it.
        part: list page or detail document.
        keys: union of the rows' keys when the page was found to need no folding and no repair; its rows can then be
            cut out as they stand. None otherwise.
    """

    offset: int
    length: int
    sha256: str
    rows: int
    part: Part
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a reply is: ``part``, ``rows`` and ``keys`` of its entry."""

    part: Part
    rows: int
    keys: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class LandedFile:
    """An uploaded file in landing."""

    path: Path
    sha256: str
    size: int


def window_path(landing_dir: Path, account_id: str, window: Window, landed_at: datetime) -> Path:
    """Where a window of an account lands; each attempt has a path of its own, so that none destroys another's bytes."""
    day = window.starts_at.astimezone(UTC)
    name = f"{_stamp(window.starts_at)}--{_stamp(window.ends_at)}--{_stamp(landed_at)}{landed_at:%f}.pages.gz"
    return landing_dir / "api" / account_id / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}" / name


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


class LandingWriter:
    """Writes one window; nothing of it is visible until the block ends well.

    A window whose rows are those that landed before is not kept: reading a day again costs no disk.

    Replies are packed, hashed and written in their order by a thread of the writer's own, while the next one is
    fetched. What goes wrong there is raised by a later call or by the end of the block.

    Args:
        path: where the window lands.
        account_id, window, dialect: kept in the index, so that the file explains itself.
        known_rows: ``rows_sha256`` of the window as it landed before; None keeps it in any case.

    Attributes:
        rows, bytes: what was added so far.
        rows_sha256: hash of the list rows, set when the block ends.
        unchanged: the rows are the known ones and nothing was kept, set when the block ends.
    """

    def __init__(
        self, path: Path, *, account_id: str, window: Window, dialect: SwitchDialect, known_rows: str | None = None
    ) -> None:
        self.path = path
        self.rows_sha256 = ""
        self.unchanged = False
        self._known_rows = known_rows
        self._rows_hash = hashlib.sha256()
        self.rows = 0
        self.bytes = 0
        self._about = {
            "landing_schema": _SCHEMA,
            "kind": "api_pages",
            "account_id": account_id,
            "starts_at": window.starts_at.isoformat(),
            "ends_at": window.ends_at.isoformat(),
            "dialect": dialect.value,
        }
        self._entries: list[Entry] = []
        self._fresh = durable.hidden_name(path)
        self._handle: BinaryIO | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="land")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        durable.make_folder(self.path.parent, levels=_WINDOW_LEVELS)
        self._handle = durable.create(self._fresh)
        return self

    def add_page(self, body: bytes, page: Page) -> None:
        """Appends a list page."""
        keys = tuple(sorted(page.keys)) if page.plain else None
        self._add(body, part="page", rows=page.rows, keys=keys, listed=page.listed)

    def add_detail(self, body: bytes) -> None:
        """Appends a detail document."""
        self._known_rows = None
        self._add(body, part="detail", rows=0, keys=None)

    def _add(self, body: bytes, *, part: Part, rows: int, keys: tuple[str, ...] | None, listed: bytes = b"") -> None:
        if self._handle is None:
            raise ValueError("the landing file is not open")
        while len(self._waiting) >= _WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._write, self._handle, body, _Kind(part, rows, keys), listed))
        self.rows += rows
        self.bytes += len(body)

    def _write(self, handle: BinaryIO, body: bytes, kind: "_Kind", listed: bytes) -> None:
        self._rows_hash.update(listed)
        member = gzip.compress(body, compresslevel=_LEVEL, mtime=0)
        digest = hashlib.sha256(body).hexdigest()
        self._entries.append(Entry(handle.tell(), len(member), digest, kind.rows, kind.part, kind.keys))
        handle.write(member)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is None:
            return
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is not None:
            self._discard(self._handle)
            return
        try:
            for written in self._waiting:
                written.result()
            self.rows_sha256 = self._rows_hash.hexdigest()
            if self.rows_sha256 == self._known_rows:
                self.unchanged = True
                self._discard(self._handle)
                return
            _finish(self._handle)
        except BaseException:
            self._discard(self._handle)
            raise
        durable.rename(self._fresh, self.path)
        index = self._about | {"rows": self.rows, "entries": [asdict(entry) for entry in self._entries]}
        durable.write_file(_index_of(self.path), orjson.dumps(index))

    def _discard(self, handle: BinaryIO) -> None:
        handle.close()
        self._fresh.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class LandingFile:
    """A landed window, as its index describes it."""

    path: Path
    entries: tuple[Entry, ...]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Reads the index.

        Raises:
            LandingDamaged: it is missing or unreadable, or of a schema that this version does not know.
        """
        try:
            index = orjson.loads(_index_of(path).read_bytes())
            if index["landing_schema"] != _SCHEMA:
                raise LandingDamaged(
                    f"landing file {path.name} is of another schema than {_SCHEMA}",
                    hint="load it with the version that landed it, or collect the day again",
                )
            return cls(path, tuple(_entry(entry) for entry in index["entries"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise LandingDamaged(
                f"landing file {path.name} has no readable index", hint="collect the day again"
            ) from None

    def bodies(self) -> Iterator[tuple[Entry, bytes]]:
        """Every reply in order, one in memory at a time.

        Raises:
            LandingDamaged: one is not what the index says.
        """
        try:
            with self.path.open("rb") as handle:
                for entry in self.entries:
                    handle.seek(entry.offset)
                    body = gzip.decompress(handle.read(entry.length))
                    if hashlib.sha256(body).hexdigest() != entry.sha256:
                        raise LandingDamaged(f"landing file {self.path.name} has changed", hint="collect the day again")
                    yield entry, body
        except (OSError, EOFError):
            raise LandingDamaged(
                f"landing file {self.path.name} is missing or cut", hint="collect the day again"
            ) from None


def _entry(found: dict[str, Any]) -> Entry:
    keys = found.pop("keys", None)
    return Entry(**found, keys=None if keys is None else tuple(keys))


def land_upload(source: Path, landing_dir: Path) -> LandedFile:
    """Copies an uploaded file to landing under its sha256; the same bytes land once.

    Raises:
        UnreadableUpload: it is no regular file.
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
            raise UnreadableUpload(f"{source.name} changed while it was read", hint="wait until it is whole")
        name = digest.hexdigest()
        fresh.target = folder / name[:2] / name
        durable.make_folder(fresh.target.parent)
        fresh.place()
    return LandedFile(fresh.target, name, size)


def _finish(handle: BinaryIO) -> None:
    handle.flush()
    os.fsync(handle.fileno())
    handle.close()


def _index_of(path: Path) -> Path:
    return path.with_name(path.name + _INDEX)
