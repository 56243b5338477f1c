"""The drop folder ``uploads/{account_id}/{profile}/``: lists its files, and moves one out of its sender's reach."""

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
from cdr_pipeline.files.lock import file_lock
from cdr_pipeline.files.store import StorePath

Clock = Callable[[], float]
_UNFINISHED: Final = (".part", ".tmp", ".filepart", ".crdownload")
_READY: Final = ".ready"
# Subfolder of the sender's folder. Each file that is being imported is in a folder of its own below it.
_TAKING: Final = ".taking"
# Folders between the drop folder and a file.
_DEPTH: Final = 2
_LONGEST_NAME: Final = 255
_RECHECK_HINT: Final = "nothing to do: a later run imports the file when it no longer changes"


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """An entry below the drop folder that is not a folder.

    Attributes:
        path: path of the file.
        folders: names of the folders between the drop folder and the file: account and profile if ``has_place``.
        regular: whether it is a regular file, not a link, pipe or device.
        unfinished: whether its name shows that its sender is still writing it.
        changed_at: time of the last change, Unix seconds.
        stamp: text of place, inode, size and time of change, which differs after the file has changed.
        taken: whether a run has already moved it to a folder of its own.
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
        """Folders and name, for display."""
        return "/".join((*self.folders, self.path.name))

    @property
    def has_place(self) -> bool:
        """Whether the file is two folders down, so that its folders name an account and a profile."""
        return len(self.folders) == _DEPTH

    @property
    def account_id(self) -> str:
        """Name of the account's folder, "" for a file directly in the drop folder."""
        return self.folders[0] if self.folders else ""

    @property
    def profile(self) -> str:
        """Name of the profile's folder, "" if there is none."""
        return self.folders[1] if self.has_place else ""

    @property
    def marker(self) -> Path:
        """Path of an empty file that a sender creates in the same folder to mark the file as complete."""
        return self.path.with_name(self.path.name + _READY)

    def is_settled(self, seconds: float, now: float) -> bool:
        """Whether the file can be imported: it has not changed for ``seconds``, or its sender marked it as complete."""
        return self.taken or self.marker.exists() or now - self.changed_at >= seconds


def dropped_files(upload_dir: Path) -> list[DroppedFile]:
    """Every entry below the drop folder except folders, in byte order of the paths. Links are not followed."""
    return sorted(_files(upload_dir), key=lambda file: str(file.path))


def waiting_files(upload_dir: Path, *, settle_seconds: float = 0, clock: Clock = time.time) -> list[DroppedFile]:
    """Regular files two folders down that are complete, in byte order of their paths.

    Hidden files and files with the suffix of an unfinished transfer (``.part``, ``.tmp``, ``.filepart``,
    ``.crdownload``) are skipped.

    Args:
        upload_dir: the drop folder.
        settle_seconds: a file without a marker ``NAME.ready`` is complete if it has not changed for this time.
        clock: Unix seconds.
    """
    now = clock()
    return [
        file
        for file in dropped_files(upload_dir)
        if file.regular and file.has_place and not file.unfinished and file.is_settled(settle_seconds, now)
    ]


def display_name(name: str) -> str:
    """A file's name for display, with ? for control and direction characters. Never used as a path."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:_LONGEST_NAME]


@contextmanager
def sole_taker(upload_dir: Path) -> Generator[None]:
    """Waits until no other process or thread imports files, and holds the lock for the block.

    A file that is already in a folder of its own was then left there by a process that died.
    """
    if isinstance(upload_dir, StorePath):
        with file_lock(upload_dir):
            yield
        return
    upload_dir.mkdir(parents=True, exist_ok=True)
    handle = os.open(upload_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def taken_away(file: DroppedFile) -> Generator[Path]:
    """Moves a file to a folder of its own for the block. It is deleted if the block succeeds, else put back.

    If its sender writes to the old name afterwards, that is another file. If the sender still writes through an open
    handle, size and time of the file change, and the file is put back too. In an object store, which replaces objects
    as a whole, the file stays where it is and is deleted only if it is still the same object.

    Raises:
        UnreadableUpload: the file changed after it was listed or during the block, is being written, or cannot be
            renamed.
    """
    if isinstance(file.path, StorePath):
        _require_same_object(file, file.path)
        yield file.path
        _require_same_object(file, file.path)
        file.path.unlink(missing_ok=True)
        file.marker.unlink(missing_ok=True)
        return
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
            f"{file.path.name} cannot be moved out of its folder: {error.strerror}",
            hint="give the pipeline's user write permission on the folder",
        ) from None


def _require_same(file: DroppedFile, stamp: str, now: os.stat_result, change: str) -> None:
    if stamp != _stamp(file.place, now):
        raise UnreadableUpload(f"{file.path.name} was {change} during the import", hint=_RECHECK_HINT)


def _require_same_object(file: DroppedFile, path: StorePath) -> None:
    try:
        _require_same(file, file.stamp, path.stat(), "replaced")
    except FileNotFoundError:
        raise UnreadableUpload(f"{path.name} was removed during the import", hint=_RECHECK_HINT) from None


def _require_no_writer(path: Path) -> None:
    """Raises UnreadableUpload if a process has the file open for writing. Checked on Linux only."""
    if sys.platform != "linux":
        return
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # Linux grants a read lease only on files that no process has open for writing. SIGURG, unlike the default
        # signal of a lease, does not end this process.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise UnreadableUpload(f"{path.name} is still being written", hint=_RECHECK_HINT) from None
    finally:
        os.close(handle)


def _put_back(path: Path) -> None:
    """Restores the old name of a file. If another file has this name now, the next run imports the moved one."""
    with suppress(OSError):
        # A hard link fails if the name exists; a rename would replace the file.
        os.link(path, path.parent.parent.parent / path.name)
        path.unlink()
    _remove_folders(path.parent)


def _remove_folders(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()


def _stamp(place: str, state: os.stat_result) -> str:
    return f"{place}:{state.st_ino}:{state.st_size}:{state.st_mtime_ns}"


def _objects(upload_dir: StorePath) -> Iterator[DroppedFile]:
    objects = list(upload_dir.objects())
    paths = {item.path for item in objects}
    for item in objects:
        folders = item.path.relative_to(upload_dir).parent.parts
        if not (item.path.suffix.lower() == _READY and item.path.with_suffix("") in paths):
            yield _dropped(item.path, folders, item.stat())


def _dropped(path: Path, folders: tuple[str, ...], state: os.stat_result, *, taken: bool = False) -> DroppedFile:
    return DroppedFile(
        path,
        folders,
        regular=stat.S_ISREG(state.st_mode),
        unfinished=path.name.startswith(".") or path.suffix.lower() in (*_UNFINISHED, _READY),
        changed_at=state.st_mtime,
        stamp=_stamp("/".join((*folders, path.name)), state),
        taken=taken,
    )


def _files(upload_dir: Path) -> Iterator[DroppedFile]:
    if isinstance(upload_dir, StorePath):
        yield from _objects(upload_dir)
        return
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
            yield _dropped(path, folders, state, taken=taken)
