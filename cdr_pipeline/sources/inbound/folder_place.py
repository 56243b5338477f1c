"""A folder of this machine, such as a mounted share."""

import os
import stat
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

from cdr_pipeline.core.uploads.inbound_files import RemoteFile
from cdr_pipeline.sources.inbound.connection import BLOCK, Counted, Wanted
from cdr_pipeline.sources.inbound.places import Place


class FolderConnection:
    """Files of a folder. Links are listed, and neither followed nor read."""

    resumes = True

    def __init__(self, place: Place) -> None:
        self._place = place
        self._root = Path(place.url)
        # A share that is not mounted must not look like an empty folder.
        self._root.stat()

    def files(self, wanted: Wanted) -> Iterator[RemoteFile]:  # noqa: ARG002 - size and time cost nothing here
        """Yields the files down to the depth of the patterns."""
        counted = Counted(self._place.name, self._place.max_files)
        yield from self._in_folder("", self._place.depth, counted)

    def _in_folder(self, folder: str, depth: int, counted: Counted) -> Iterator[RemoteFile]:
        with os.scandir(self._root / folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            path = f"{folder}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if depth and path != self._place.move_to:
                    yield from self._in_folder(f"{path}/", depth - 1, counted)
                continue
            counted.add()
            try:
                yield _remote(path, entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue

    def look(self, path: str) -> RemoteFile | None:
        """The file as it is now."""
        try:
            return _remote(path, (self._root / path).lstat())
        except FileNotFoundError:
            return None

    def read(self, file: RemoteFile, offset: int) -> Generator[bytes]:
        """Yields the bytes from an offset on."""
        handle = os.open(self._root / file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as content:
            content.seek(offset)
            while block := content.read(BLOCK):
                yield block

    def move(self, path: str, target: str) -> None:
        """Renames a file."""
        (self._root / target).parent.mkdir(parents=True, exist_ok=True)
        (self._root / path).rename(self._root / target)

    def delete(self, path: str) -> None:
        """Deletes a file."""
        (self._root / path).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is open between two calls."""


def _remote(path: str, state: os.stat_result) -> RemoteFile:
    changed = datetime.fromtimestamp(state.st_mtime, UTC)
    return RemoteFile(path, state.st_size, changed, str(state.st_ino), regular=stat.S_ISREG(state.st_mode))
