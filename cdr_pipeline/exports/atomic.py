"""A file is written whole or not at all."""

import hashlib
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from cdr_pipeline.errors import ExportError


@dataclass(slots=True)
class Writing:
    """A file being written: counts and hashes what passes."""

    path: Path
    handle: BinaryIO
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, content: bytes) -> None:
        """Appends."""
        self.handle.write(content)
        self.digest.update(content)
        self.size += len(content)

    @property
    def sha256(self) -> str:
        """Hex digest of what was written so far."""
        return str(self.digest.hexdigest())


@contextmanager
def beside(path: Path) -> Generator[Writing]:
    """A new file beside ``path``, flushed to disk when the block ends well; ``place`` it then, or it is removed.

    Raises:
        ExportError: the folder or file cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        handle = os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640), "wb")
        with handle:
            yield Writing(fresh, handle)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ExportError(
            f"{path.name} cannot be written: {error.strerror}", hint="check space and permissions, then export again"
        ) from None
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def place(written: Path, target: Path) -> None:
    """Gives a finished file its name, durably.

    Raises:
        ExportError: it cannot be renamed.
    """
    try:
        written.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        written.unlink(missing_ok=True)
        raise ExportError(f"{target.name} cannot be put in place: {error.strerror}") from None
