"""Atomic writing of export files: complete or not at all, one writer per folder, errors as ExportError."""

import hashlib
import shutil
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cdr_pipeline.errors import ExportError
from cdr_pipeline.files import durable
from cdr_pipeline.files.lock import folder_lock
from cdr_pipeline.files.store import StorePath
from cdr_pipeline.files.write_behind import WriteBehind

FOLDER_MODE: Final = 0o750
FILE_MODE: Final = 0o640
SEALED_MODE: Final = 0o440


@dataclass(slots=True)
class AtomicFile(durable.NewFile):
    """An export file that is written under a hidden name until it is placed; counts and hashes its bytes."""

    mode: int = FILE_MODE
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    _behind: WriteBehind = field(init=False)

    def __post_init__(self) -> None:
        self._behind = WriteBehind(self.handle)

    def write(self, content: bytes) -> int:
        """Appends bytes and returns their number.

        Raises:
            ExportError: the file cannot be written.
        """
        with _as_export_error(self.target, "written"):
            self.handle.write(content)
            # Bytes for an object store are sent from the spool, which need not be on the disk.
            if not isinstance(self.target, StorePath):
                self._behind.wrote(len(content))
        self.digest.update(content)
        self.size += len(content)
        return len(content)

    def discontinue(self) -> None:
        """Ends the thread that flushes the file, if there is one; only then may the file be closed.

        Raises:
            OSError: a flush failed.
        """
        self._behind.finish()

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes written so far, as hex digits."""
        return str(self.digest.hexdigest())

    def place(self, *, mode: int | None = None, replace: bool = True) -> None:
        """Flushes the file, sets its permissions and renames it to its target, durably.

        Raises:
            ExportError: it cannot be flushed or renamed.
        """
        with _as_export_error(self.target, "put in place"):
            self._behind.finish()
            durable.NewFile.place(self, mode=self.mode if mode is None else mode, replace=replace)


@contextmanager
def new_file(target: Path, *, mode: int = FILE_MODE) -> Generator[AtomicFile]:
    """A new file in the existing folder of ``target``; removed at the end of the block unless it was placed.

    Args:
        target: path that is created or replaced.
        mode: permissions after placing; until then only the owner can read the file.

    Raises:
        ExportError: the file cannot be created.
    """
    with _as_export_error(target, "written"):
        hidden, handle = durable.unplaced(target)
    writing = AtomicFile(target, hidden, handle, mode=mode)
    try:
        yield writing
    finally:
        # Closing may flush and fail like a write. A file that was not placed is removed in any case.
        with _as_export_error(target, "closed"), ExitStack() as closing:
            closing.callback(hidden.unlink, missing_ok=True)
            closing.callback(handle.close)
            closing.callback(writing.discontinue)


@contextmanager
def sole_writer(folder: Path, *, mode: int = FOLDER_MODE) -> Generator[None]:
    """Creates the folder if missing and waits until no other process or thread writes into it.

    Removes unfinished files of killed writers: under the lock, no unfinished file can belong to a running writer. Some
    network file systems cannot lock a folder; there, the operator must not run two writers of a day at once.

    Raises:
        ExportError: the folder cannot be created or opened.
    """
    with ExitStack() as held:
        with _as_export_error(folder, "used"):
            durable.make_folder(folder, mode=mode)
            locked = held.enter_context(folder_lock(folder))
        # Unfinished files for an object store are in the local spool.
        if locked and not isinstance(folder, StorePath):
            with _as_export_error(folder, "cleared of unfinished files"):
                for unfinished in folder.glob(f".*{durable.PART}"):
                    if unfinished.is_dir():
                        shutil.rmtree(unfinished)
                    else:
                        unfinished.unlink(missing_ok=True)
        yield


def remove(path: Path) -> None:
    """Removes a file durably: it does not reappear after a crash. A missing file is not an error.

    Raises:
        ExportError: the file cannot be removed.
    """
    with _as_export_error(path, "removed"):
        durable.remove(path)


def make_read_only(path: Path) -> None:
    """Removes all write permissions of a file.

    Raises:
        ExportError: the permissions cannot be changed.
    """
    with _as_export_error(path, "made read-only"):
        durable.make_read_only(path, mode=SEALED_MODE)


@contextmanager
def _as_export_error(path: Path, action: str) -> Generator[None]:
    """Converts an OSError to an ExportError that names the file, never its content."""
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{path.name} cannot be {action}: {error.strerror or type(error).__name__}",
            hint="check space and permissions, then export again",
        ) from None
