"""Files that people fetch: written whole or not at all, by one writer at a time, errors told as ExportError."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cdr_pipeline.errors import ExportError
from cdr_pipeline.files import durable

FOLDER_MODE: Final = 0o750
FILE_MODE: Final = 0o640
SEALED_MODE: Final = 0o440


@dataclass(slots=True)
class Writing(durable.NewFile):
    """A file being written beside its target: counts and hashes what passes."""

    mode: int = FILE_MODE
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

    @property
    def sha256(self) -> str:
        """Hex digest of what was written so far."""
        return str(self.digest.hexdigest())

    def place(self, *, mode: int | None = None) -> None:
        """Gives the file its name and its permissions, durably; the folder may have to be flushed for it.

        Raises:
            ExportError: it cannot be flushed or renamed.
        """
        with _as_export_error(self.target, "put in place"):
            durable.NewFile.place(self, mode=self.mode if mode is None else mode)


@contextmanager
def beside(target: Path, *, mode: int = FILE_MODE) -> Generator[Writing]:
    """A new file beside ``target``, in a folder that exists. What is not placed when the block ends is removed.

    Args:
        target: the file that is created or replaced.
        mode: its permissions once it is placed; until then only its owner can read it.

    Raises:
        ExportError: the file cannot be made.
    """
    fresh = durable.hidden_name(target)
    with _as_export_error(target, "written"):
        handle = durable.create(fresh)
    try:
        yield Writing(target, fresh, handle, mode=mode)
    finally:
        # Closing may flush, and so may fail as the write did; whatever was lost here was going to be removed.
        with _as_export_error(target, "closed"):
            try:
                handle.close()
            finally:
                fresh.unlink(missing_ok=True)


@contextmanager
def sole_writer(folder: Path, *, mode: int = FOLDER_MODE) -> Generator[None]:
    """Makes the folder where it is missing and waits until no other process or thread writes into it.

    Also removes what a writer that was killed left behind: under the lock, no part can belong to a living one. Some
    network file systems cannot lock a folder; there the writers of a day must be kept apart by whoever starts them.

    Raises:
        ExportError: the folder cannot be made or opened.
    """
    with _as_export_error(folder, "used"):
        durable.make_folder(folder, mode=mode)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _locked(handle):
            with _as_export_error(folder, "cleared of unfinished files"):
                for left in folder.glob(f".*{durable.PART}"):
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
        durable.remove(path)


def make_read_only(path: Path) -> None:
    """Takes everybody's right to write to a file.

    Raises:
        ExportError: it cannot be changed.
    """
    with _as_export_error(path, "made read-only"):
        path.chmod(SEALED_MODE)


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
