"""A file is written whole or not at all, and by one writer at a time."""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from cdr_pipeline.errors import ExportError

_FOLDER_MODE: Final = 0o750
_FILE_MODE: Final = 0o640
_SEALED_MODE: Final = 0o440
_PART: Final = ".part"


@dataclass(slots=True)
class Writing:
    """A file being written beside its target: counts and hashes what passes."""

    target: Path
    path: Path
    handle: BinaryIO
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, content: bytes) -> int:
        """Appends; how many bytes, as files say it.

        Raises:
            ExportError: the disk refuses.
        """
        with _as_export_error(self.target, "written"):
            self.handle.write(content)
        self.digest.update(content)
        self.size += len(content)
        return len(content)

    def flush(self) -> None:
        """Nothing: a part need not be seen before it is placed."""

    @property
    def sha256(self) -> str:
        """Hex digest of what was written so far."""
        return str(self.digest.hexdigest())

    def place(self, *, sealed: bool = False) -> None:
        """Gives the file its name, durably: bytes first, then the name, then the folder. A sealed one is read-only.

        Raises:
            ExportError: it cannot be flushed or renamed.
        """
        with _as_export_error(self.target, "put in place"):
            self.handle.flush()
            if sealed:
                os.fchmod(self.handle.fileno(), _SEALED_MODE)
            os.fsync(self.handle.fileno())
            self.handle.close()
            self.path.replace(self.target)
            _flush_folder(self.target.parent)


@contextmanager
def beside(target: Path) -> Generator[Writing]:
    """A new file beside ``target``, in a folder that exists. What is not placed when the block ends is removed.

    Raises:
        ExportError: the file cannot be made.
    """
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_PART}")
    with _as_export_error(target, "written"):
        handle = os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE), "wb")
    try:
        yield Writing(target, fresh, handle)
    finally:
        # Closing may flush, and so may fail as the write did; whatever was lost here was going to be removed.
        with _as_export_error(target, "closed"):
            try:
                handle.close()
            finally:
                fresh.unlink(missing_ok=True)


@contextmanager
def sole_writer(folder: Path) -> Generator[None]:
    """Makes the folder where it is missing and waits until no other process or thread writes into it.

    Also removes what a writer that was killed left behind: under the lock, no part can belong to a living one. Some
    network file systems cannot lock a folder; there the writers of a day must be kept apart by whoever starts them.

    Raises:
        ExportError: the folder cannot be made or opened.
    """
    with _as_export_error(folder, "used"):
        _make_folder(folder)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _locked(handle):
            with _as_export_error(folder, "cleared of unfinished files"):
                for left in folder.glob(f".*{_PART}"):
                    if left.is_dir():
                        shutil.rmtree(left)
                    else:
                        left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


def _locked(folder: int) -> bool:
    """Waits for the folder's lock, which its last open handle gives back; False where there are no such locks."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def remove(path: Path) -> None:
    """Removes a file, durably: after a crash it does not come back. No file is no error, and nothing to be flushed.

    Raises:
        ExportError: it cannot be removed.
    """
    with _as_export_error(path, "removed"):
        try:
            path.unlink()
        except FileNotFoundError:
            return
        _flush_folder(path.parent)


def make_read_only(path: Path) -> None:
    """Takes everybody's right to write to a file.

    Raises:
        ExportError: it cannot be changed.
    """
    with _as_export_error(path, "made read-only"):
        path.chmod(_SEALED_MODE)


def _make_folder(folder: Path) -> None:
    """Every missing folder on the way too, each with the mode and each durable in its parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _as_export_error(path: Path, what: str) -> Generator[None]:
    """What the operating system refuses becomes an ExportError that names the file, never its content."""
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{path.name} cannot be {what}: {error.strerror or type(error).__name__}",
            hint="check space and permissions, then export again",
        ) from None
