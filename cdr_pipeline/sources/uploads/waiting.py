"""Files that wait in the drop folder ``uploads/{account_id}/{profile}/``."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_UNFINISHED: Final = (".part", ".tmp", ".filepart", ".crdownload")


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


def waiting_files(upload_dir: Path) -> list[WaitingFile]:
    """Regular files two folders down, in byte order of their paths.

    Links, pipes and devices are passed over, and so are hidden files and names that senders give to unfinished ones
    (``.part``, ``.tmp``, ``.filepart``, ``.crdownload``).
    """
    return sorted(_files(upload_dir), key=lambda file: str(file.path))


def _files(upload_dir: Path) -> Iterator[WaitingFile]:
    for path in upload_dir.glob("*/*/*"):
        if path.name.startswith(".") or path.suffix.lower() in _UNFINISHED:
            continue
        try:
            state = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(state.st_mode):
            stamp = f"{path.relative_to(upload_dir)}:{state.st_size}:{state.st_mtime_ns}"
            yield WaitingFile(path, path.parent.parent.name, path.parent.name, stamp)
