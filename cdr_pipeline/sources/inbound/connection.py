"""What every protocol of inbound files offers: list, look again, read, move, delete."""

from collections.abc import Callable, Generator, Iterator
from typing import Final, Protocol

from cdr_pipeline.core.uploads.inbound_files import RemoteFile
from cdr_pipeline.errors import InboundError

BLOCK: Final = 1 << 20
Wanted = Callable[[str], bool]


class PlaceConnection(Protocol):
    """An open connection to a place. Paths are below the place's folder.

    Methods raise the errors of the protocol's library; ``as_inbound_error`` converts them.

    Attributes:
        resumes: whether ``read`` can begin in the middle of a file.
    """

    resumes: bool

    def files(self, wanted: Wanted) -> Iterator[RemoteFile]:
        """Yields every file and link, in folders down to the depth of the patterns.

        Args:
            wanted: whether a pattern matches a path; a protocol that needs a request for each file's size and time
                leaves them out for other files.
        """
        ...

    def look(self, path: str) -> RemoteFile | None:
        """The file as it is now; None if it is gone."""
        ...

    def read(self, file: RemoteFile, offset: int) -> Generator[bytes]:
        """Yields the bytes of a file from an offset on; 0 if ``resumes`` is false."""
        ...

    def move(self, path: str, target: str) -> None:
        """Renames a file; its new folder is created where the place has folders."""
        ...

    def delete(self, path: str) -> None:
        """Deletes a file."""
        ...

    def close(self) -> None:
        """Ends the connection."""
        ...


class Counted:
    """Counts the files of a look, so that a folder with too many ends it."""

    def __init__(self, place: str, most: int) -> None:
        self._place = place
        self._most = most
        self._number = 0

    def add(self) -> None:
        """Counts a file.

        Raises:
            InboundError: there are more files than ``max_files``.
        """
        self._number += 1
        if self._number > self._most:
            raise InboundError(
                f"place {self._place}: there are more than max_files = {self._most} files",
                hint='let fetched files be moved or deleted (after = "move"), or raise max_files in inbound.toml',
            )
