"""Rows of one slice of an extract, kept apart from the file until the slice is complete, so that it can be repeated."""

from collections.abc import Generator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Final, Self

# Bytes that are kept in memory; more are kept on the disk.
_IN_MEMORY: Final = 4 * 1024**2


class SliceRows:
    """Pieces of a slice in memory or in a temporary file, which ends with the object even if the process is killed.

    Args:
        folder: local folder of the temporary file.
    """

    def __init__(self, folder: Path) -> None:
        self._file = SpooledTemporaryFile(_IN_MEMORY, dir=str(folder))  # noqa: SIM115 - closed by close
        self._pieces: list[tuple[int, int]] = []
        self.size = 0

    def add(self, piece: bytes, lines: int) -> None:
        """Appends a piece with a number of whole lines."""
        self._file.write(piece)
        self._pieces.append((len(piece), lines))
        self.size += len(piece)

    def pieces(self) -> Generator[tuple[bytes, int]]:
        """The pieces in their order, with their numbers of lines."""
        self._file.seek(0)
        for size, lines in self._pieces:
            yield self._file.read(size), lines

    def clear(self) -> None:
        """Forgets the pieces so far."""
        self._file.seek(0)
        self._file.truncate()
        self._pieces.clear()
        self.size = 0

    def close(self) -> None:
        """Deletes the rows."""
        self._file.close()

    def __enter__(self) -> Self:
        """The rows, which the end of the block deletes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Deletes the rows."""
        self.close()
