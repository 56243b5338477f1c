"""Files that wait in the drop folder ``uploads/{account_id}/{profile}/``."""

import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Clock = Callable[[], float]
_UNFINISHED: Final = (".part", ".tmp", ".filepart", ".crdownload")
_READY: Final = ".ready"


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A regular file in the drop folder.

    Attributes:
        path: where it is.
        account_id: name of its account's folder.
        profile: name of its profile's folder.
        stamp: changes when the file does: place, size and time of change.
    """

    path: Path
    account_id: str
    profile: str
    stamp: str

    @property
    def marker(self) -> Path:
        """An empty file beside it by which a sender says that it is whole."""
        return self.path.with_name(self.path.name + _READY)


def waiting_files(upload_dir: Path, *, settle_seconds: float = 0, clock: Clock = time.time) -> list[WaitingFile]:
    """Regular files two folders down that are whole, in byte order of their paths.

    Links, pipes and devices are passed over, and so are hidden files and names that senders give to unfinished ones
    (``.part``, ``.tmp``, ``.filepart``, ``.crdownload``).

    Args:
        upload_dir: the drop folder.
        settle_seconds: a file without a marker ``NAME.ready`` is whole when it has not changed for so long.
        clock: Unix seconds.
    """
    files = sorted(_files(upload_dir), key=lambda file: str(file.path))
    return [file for file in files if file.marker.exists() or _age(file.path, clock()) >= settle_seconds]


def _age(path: Path, now: float) -> float:
    try:
        return now - path.lstat().st_mtime
    except FileNotFoundError:
        return -1.0


def _files(upload_dir: Path) -> Iterator[WaitingFile]:
    for path in upload_dir.glob("*/*/*"):
        if path.name.startswith(".") or path.suffix.lower() in (*_UNFINISHED, _READY):
            continue
        try:
            state = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(state.st_mode):
            stamp = f"{path.relative_to(upload_dir)}:{state.st_size}:{state.st_mtime_ns}"
            yield WaitingFile(path, path.parent.parent.name, path.parent.name, stamp)
