"""Durable file writes: a file appears under its name complete or not at all, and it survives a power failure.

The order is always the same: bytes, fsync of the file, rename, fsync of the folder. Only after these steps may a
manifest or a row of the ledger refer to the file. In an object store the order is: bytes to a local temporary file, one
put, and the object is read back and compared.
"""

import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cdr_pipeline.files.spool import new_spool_file
from cdr_pipeline.files.store import StorePath, store

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
PART: Final = ".part"
_OPEN_FOLDER: Final = 0o777
_ANY_WRITE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(slots=True)
class NewFile:
    """A file that is written under a hidden name in the folder of its target, or in the local spool for a store.

    Attributes:
        target: path of the file after ``place``.
        path: local path during writing.
        handle: binary handle of the hidden file.
    """

    target: Path
    path: Path
    handle: BinaryIO

    def write(self, content: bytes) -> int:
        """Appends bytes and returns their number."""
        self.handle.write(content)
        return len(content)

    def flush(self) -> None:
        """Does nothing, because ``place`` flushes. Writers of other libraries call this method."""

    def place(self, *, mode: int | None = None, replace: bool = True) -> None:
        """Renames the file to its target, durably.

        Args:
            mode: new permissions of the file; unchanged if omitted.
            replace: whether an object store may overwrite another file of that name. On a disk, callers that must not
                overwrite hold the folder's lock and have looked.

        Raises:
            FileExistsError: an object store has another file of that name, and ``replace`` is false.
        """
        self.handle.flush()
        if isinstance(self.target, StorePath):
            self.handle.close()
            sealed = mode is not None and not mode & _ANY_WRITE
            store(self.path, self.target, replace=replace)
            self.path.unlink(missing_ok=True)
            if sealed:
                self.target.make_read_only()
            return
        if mode is not None:
            os.fchmod(self.handle.fileno(), mode)
        os.fsync(self.handle.fileno())
        self.handle.close()
        rename(self.path, self.target)


@contextmanager
def new_file(target: Path, *, mode: int = PRIVATE_FILE) -> Generator[NewFile]:
    """Creates a hidden file for ``target``. It is deleted if the block ends before ``place`` is called.

    Args:
        target: file that ``place`` creates or replaces, in a folder that exists.
        mode: permissions of the new file, which the umask may narrow.
    """
    path, handle = unplaced(target, mode=mode)
    try:
        yield NewFile(target, path, handle)
    finally:
        try:
            handle.close()
        finally:
            path.unlink(missing_ok=True)


def write_file(target: Path, content: bytes, *, mode: int = PRIVATE_FILE, replace: bool = True) -> None:
    """Creates or replaces a file, durably; ``replace`` as in ``NewFile.place``."""
    with new_file(target, mode=mode) as fresh:
        fresh.write(content)
        fresh.place(replace=replace)


def unplaced(target: Path, *, mode: int = PRIVATE_FILE) -> tuple[Path, BinaryIO]:
    """Local path and handle of a new file that will be placed at ``target``."""
    if isinstance(target, StorePath):
        path = new_spool_file(target.name)
        return path, path.open("wb")
    path = _hidden_name(target)
    return path, create(path, mode=mode)


def _hidden_name(target: Path) -> Path:
    """A unique hidden name in the folder of ``target``, which listings skip."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART}")


def create(path: Path, *, mode: int = PRIVATE_FILE) -> BinaryIO:
    """Creates a file and opens it for writing. Raises FileExistsError if it exists."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb")


def rename(path: Path, target: Path) -> None:
    """Renames a flushed file or a folder, and replaces an existing file. Durable on return."""
    path.replace(target)
    if isinstance(target, StorePath):
        return
    flush_folder(target.parent)
    if path.parent != target.parent:
        flush_folder(path.parent)


def remove(path: Path) -> None:
    """Deletes a file, durably. Does nothing if the file does not exist."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    if not isinstance(path, StorePath):
        flush_folder(path.parent)


def is_read_only(path: Path) -> bool:
    """Whether a file exists and has no write permission."""
    if isinstance(path, StorePath):
        return path.is_read_only()
    try:
        return not path.stat().st_mode & _ANY_WRITE
    except OSError:
        return False


def make_read_only(path: Path, *, mode: int) -> None:
    """Removes all write permissions of a file; ``mode`` are its permissions then."""
    if isinstance(path, StorePath):
        path.make_read_only()
    else:
        path.chmod(mode)


def make_folder(folder: Path, *, mode: int = PRIVATE_FOLDER, levels: int | None = None) -> None:
    """Creates a folder and every missing one above it, each durable in its parent.

    Args:
        folder: folder to create; nothing happens if it exists.
        mode: permissions of new folders, which the umask may narrow.
        levels: number of innermost folders that get ``mode``; all if omitted. The others get what the umask allows.
    """
    if isinstance(folder, StorePath) or folder.is_dir():
        return
    make_folder(folder.parent, mode=mode, levels=None if levels is None else levels - 1)
    folder.mkdir(mode=mode if levels is None or levels > 0 else _OPEN_FOLDER, exist_ok=True)
    flush_folder(folder.parent)


def flush_file(path: Path) -> None:
    """Waits until the bytes of a file that another library wrote are on the disk."""
    _flush(path, os.O_RDONLY)


def flush_folder(folder: Path) -> None:
    """Waits until the entries of a folder are on the disk."""
    _flush(folder, os.O_RDONLY | os.O_DIRECTORY)


def _flush(path: Path, flags: int) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
