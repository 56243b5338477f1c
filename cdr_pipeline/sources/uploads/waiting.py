"""The drop folder ``uploads/{account_id}/{profile}/``: its files, and how one is taken away from its sender."""

import errno
import fcntl
import os
import secrets
import signal
import stat
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import UnreadableUpload

Clock = Callable[[], float]
_UNFINISHED: Final = (".part", ".tmp", ".filepart", ".crdownload")
_READY: Final = ".ready"
# Files that are being taken in, each in a folder of its own beside those of its sender.
_TAKING: Final = ".taking"
# Folders between the drop folder and a file.
_DEPTH: Final = 2
_LONGEST_NAME: Final = 255
_RECHECK_HINT: Final = "it stays where it is, and is taken in when it does not change any more"


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """Something below the drop folder that is no folder.

    Attributes:
        path: where it is.
        folders: names of the folders above it, from the drop folder down; an account and a profile where it has a
            place.
        regular: whether it is a regular file, no link, pipe or device.
        unfinished: its name says that its sender is still writing it.
        changed_at: when it last changed, Unix seconds.
        stamp: changes when the file does: place, inode, size and time of change.
        taken: a run has taken it away from its sender already.
    """

    path: Path
    folders: tuple[str, ...]
    regular: bool
    unfinished: bool
    changed_at: float
    stamp: str
    taken: bool = False

    @property
    def place(self) -> str:
        """Folders and name, for people."""
        return "/".join((*self.folders, self.path.name))

    @property
    def has_place(self) -> bool:
        """Whether it lies two folders down, where an account and a profile are named."""
        return len(self.folders) == _DEPTH

    @property
    def account_id(self) -> str:
        """Name of its account's folder, "" for a file directly in the drop folder."""
        return self.folders[0] if self.folders else ""

    @property
    def profile(self) -> str:
        """Name of its profile's folder, "" where there is none."""
        return self.folders[1] if self.has_place else ""

    @property
    def marker(self) -> Path:
        """An empty file beside it by which a sender says that it is whole."""
        return self.path.with_name(self.path.name + _READY)

    def is_settled(self, seconds: float, now: float) -> bool:
        """Whether it can be taken in: it has not changed for so long, or its sender says that it is whole."""
        return self.taken or self.marker.exists() or now - self.changed_at >= seconds


def dropped_files(upload_dir: Path) -> list[DroppedFile]:
    """Everything below the drop folder that is no folder, in byte order of the paths; links are not followed."""
    return sorted(_files(upload_dir), key=lambda file: str(file.path))


def waiting_files(upload_dir: Path, *, settle_seconds: float = 0, clock: Clock = time.time) -> list[DroppedFile]:
    """Regular files two folders down that are whole, in byte order of their paths.

    Hidden files and names that senders give to unfinished ones (``.part``, ``.tmp``, ``.filepart``, ``.crdownload``)
    are passed over.

    Args:
        upload_dir: the drop folder.
        settle_seconds: a file without a marker ``NAME.ready`` is whole when it has not changed for so long.
        clock: Unix seconds.
    """
    now = clock()
    return [
        file
        for file in dropped_files(upload_dir)
        if file.regular and file.has_place and not file.unfinished and file.is_settled(settle_seconds, now)
    ]


def display_name(name: str) -> str:
    """A file's name for people: what cannot be printed, or turns writing around, becomes ?; never used as a path."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:_LONGEST_NAME]


@contextmanager
def sole_taker(upload_dir: Path) -> Generator[None]:
    """Waits until no other process or thread takes files in; what it finds taken is then left by one that has died."""
    upload_dir.mkdir(parents=True, exist_ok=True)
    handle = os.open(upload_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def taken_away(file: DroppedFile) -> Generator[Path]:
    """The file under a name that only this process knows; deleted when the block ends well, else put back.

    Whatever its sender writes to the old name from now on is another file. What the sender still writes through an open
    handle shows in size and time, and then the file is put back too.

    Raises:
        UnreadableUpload: it changed since it was seen or while the block ran, is being written, or cannot be renamed.
    """
    path = file.path if file.taken else _renamed(file)
    try:
        before = path.lstat()
        if not file.taken:
            _require_same(file, file.stamp, before, "replaced")
        _require_no_writer(path)
        yield path
        _require_no_writer(path)
        _require_same(file, _stamp(file.place, before), path.lstat(), "appended to")
    except BaseException:
        _put_back(path)
        raise
    path.unlink()
    _remove_folders(path.parent)
    if not file.taken:
        file.marker.unlink(missing_ok=True)


def _renamed(file: DroppedFile) -> Path:
    folder = file.path.parent / _TAKING / secrets.token_hex(8)
    try:
        folder.mkdir(parents=True, mode=0o700)
        return file.path.rename(folder / file.path.name)
    except OSError as error:
        _remove_folders(folder)
        raise UnreadableUpload(
            f"{file.path.name} cannot be taken away from its folder: {error.strerror}",
            hint="the pipeline's user needs to write to the folder",
        ) from None


def _require_same(file: DroppedFile, stamp: str, now: os.stat_result, what: str) -> None:
    if stamp != _stamp(file.place, now):
        raise UnreadableUpload(f"{file.path.name} was {what} while it was taken in", hint=_RECHECK_HINT)


def _require_no_writer(path: Path) -> None:
    """Raises UnreadableUpload while a process has the file open for writing, where the system can tell."""
    if sys.platform != "linux":
        return
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # Linux grants a lease for reading only on files that no process writes to. SIGURG, unlike the signal that a
        # lease sends by default, does not end this process.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise UnreadableUpload(f"{path.name} is still being written", hint=_RECHECK_HINT) from None
    finally:
        os.close(handle)


def _put_back(path: Path) -> None:
    """Gives a file its old name, unless another one has come there: then it stays, and the next run takes it in."""
    with suppress(OSError):
        # A link does not replace what is there; a rename would.
        os.link(path, path.parent.parent.parent / path.name)
        path.unlink()
    _remove_folders(path.parent)


def _remove_folders(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()


def _stamp(place: str, state: os.stat_result) -> str:
    return f"{place}:{state.st_ino}:{state.st_size}:{state.st_mtime_ns}"


def _files(upload_dir: Path) -> Iterator[DroppedFile]:
    for folder, subfolders, names in os.walk(upload_dir):
        # os.walk lists links to folders among the folders, and does not follow them.
        links = [name for name in subfolders if Path(folder, name).is_symlink()]
        for name in (*names, *links):
            path = Path(folder, name)
            try:
                state = path.lstat()
            except FileNotFoundError:
                continue
            folders = path.relative_to(upload_dir).parent.parts
            taken = len(folders) == _DEPTH + 2 and folders[_DEPTH] == _TAKING
            if taken:
                folders = folders[:_DEPTH]
            if path.suffix.lower() == _READY and path.with_suffix("").exists():
                continue
            yield DroppedFile(
                path,
                folders,
                regular=stat.S_ISREG(state.st_mode),
                unfinished=name.startswith(".") or path.suffix.lower() in (*_UNFINISHED, _READY),
                changed_at=state.st_mtime,
                stamp=_stamp("/".join((*folders, name)), state),
                taken=taken,
            )
