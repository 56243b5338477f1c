"""What the product needs of a kind of object store beyond fsspec: connecting, listing, and the meaning of errors."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

CONNECT_SECONDS: Final = 10
READ_SECONDS: Final = 60
ATTEMPTS: Final = 3
_NEVER: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object or a folder of a listing.

    Attributes:
        key: bucket and key, as fsspec expects them.
        is_folder: whether it is a folder, which exists while an object is below it.
        size: size in bytes.
        changed_at: time of the last change.
        tag: entity tag.
    """

    key: str
    is_folder: bool = False
    size: int = 0
    changed_at: datetime = _NEVER
    tag: str = ""


class Failure(Enum):
    """What the error of a library means."""

    NO_CREDENTIALS = auto()
    REFUSED = auto()
    NO_BUCKET = auto()
    EXISTS = auto()
    MISSING = auto()
    UNAVAILABLE = auto()


class StoreClient(ABC):
    """Client of one kind of object store.

    Attributes:
        extra: extra of this package that installs its library.
        bucket: the store's word for a bucket.
        credentials: where credentials come from, for hints.
    """

    extra: ClassVar[str]
    bucket: ClassVar[str] = "bucket"
    credentials: ClassVar[str]

    def __init__(self) -> None:
        self.files: AbstractFileSystem = self.connect()

    @abstractmethod
    def connect(self) -> "AbstractFileSystem":
        """File system with the address and the credentials of this moment."""

    @classmethod
    @abstractmethod
    def errors(cls) -> tuple[type[Exception], ...]:
        """Every exception that the libraries raise."""

    @classmethod
    @abstractmethod
    def failure_of(cls, error: Exception) -> tuple[Failure, str]:
        """Meaning of an error, and the store's code for it; never its text, which may contain secrets."""

    @abstractmethod
    def entry(self, info: dict[str, Any]) -> ListedObject:
        """The object that ``info`` of the file system describes."""

    @abstractmethod
    def folder(self, key: str, prefix: str) -> list[ListedObject]:
        """Objects and folders directly in a folder whose names begin with a text."""

    @abstractmethod
    def below(self, key: str) -> list[ListedObject]:
        """Every object below a folder."""


def of_files(error: Exception) -> Failure:
    """Meaning of an error of the system or of fsspec."""
    if isinstance(error, FileNotFoundError):
        return Failure.MISSING
    if isinstance(error, FileExistsError):
        return Failure.EXISTS
    return Failure.REFUSED if isinstance(error, PermissionError) else Failure.UNAVAILABLE
