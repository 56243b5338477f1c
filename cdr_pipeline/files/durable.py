"""Durable file writes: a file appears under its name complete or not at all, and it survives a power failure.

The order is always the same: bytes, fsync of the file, rename, fsync of the folder. Only after these steps may a
manifest or a row of the ledger refer to the file.
"""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
PART: Final = ".part"
_OPEN_FOLDER: Final = 0o777


@dataclass(slots=True)
class NewFile:
    """A file that is written under a hidden name in the folder of its target.

    Attributes:
        target: path of the file after ``place``.
        path: hidden path during writing.
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

    def place(self, *, mode: int | None = None) -> None:
        """Renames the file to its target, durably.

        Args:
            mode: new permissions of the file; unchanged if omitted.
        """
        self.handle.flush()
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
    path = hidden_name(target)
    handle = create(path, mode=mode)
    try:
        yield NewFile(target, path, handle)
    finally:
        try:
            handle.close()
        finally:
            path.unlink(missing_ok=True)


def write_file(target: Path, content: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Creates or replaces a file, durably."""
    with new_file(target, mode=mode) as fresh:
        fresh.write(content)
        fresh.place()


def hidden_name(target: Path) -> Path:
    """A unique hidden name in the folder of ``target``, which listings skip."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART}")


def create(path: Path, *, mode: int = PRIVATE_FILE) -> BinaryIO:
    """Creates a file and opens it for writing. Raises FileExistsError if it exists."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb")


def rename(path: Path, target: Path) -> None:
    """Renames a flushed file or a folder, and replaces an existing file. Durable on return."""
    path.replace(target)
    flush_folder(target.parent)
    if path.parent != target.parent:
        flush_folder(path.parent)


def remove(path: Path) -> None:
    """Deletes a file, durably. Does nothing if the file does not exist."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    flush_folder(path.parent)


def make_folder(folder: Path, *, mode: int = PRIVATE_FOLDER, levels: int | None = None) -> None:
    """Creates a folder and every missing one above it, each durable in its parent.

    Args:
        folder: folder to create; nothing happens if it exists.
        mode: permissions of new folders, which the umask may narrow.
        levels: number of innermost folders that get ``mode``; all if omitted. The others get what the umask allows.
    """
    if folder.is_dir():
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
