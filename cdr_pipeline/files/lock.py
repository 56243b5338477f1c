"""Locks that only one process can hold at a time: of a local file, or of a name in the warehouse.

An object store has no locks. The warehouse, which every machine reaches, has: steps register its lock at their start.
"""

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.files.store import StorePath

NamedLock = Callable[[str], AbstractContextManager[None]]
_named_locks: list[NamedLock] = []


def use_locks(named_lock: NamedLock) -> None:
    """Registers the lock for paths in an object store: a function of a name that waits for and holds the lock."""
    _named_locks[:] = [named_lock]


@contextmanager
def sole_lock(path: Path) -> Generator[bool]:
    """Takes the lock of a file for the block without waiting; yields False if another process holds it.

    Args:
        path: lock file, in a folder that exists; it is created if it does not exist.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


@contextmanager
def file_lock(path: Path) -> Generator[None]:
    """Waits for the lock of a file and holds it for the block. The kernel releases the lock of a process that dies.

    Args:
        path: lock file, in a folder that exists; it is created if it does not exist. In an object store, the name of
            the lock in the warehouse.
    """
    if isinstance(path, StorePath):
        with _store_lock(path):
            yield
        return
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def folder_lock(folder: Path) -> Generator[bool]:
    """Waits for the lock of a folder that exists, and holds it for the block.

    Yields:
        Whether the lock is held; false on a network file system that cannot lock a folder.
    """
    if isinstance(folder, StorePath):
        with _store_lock(folder):
            yield True
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _store_lock(path: StorePath) -> AbstractContextManager[None]:
    if not _named_locks:
        raise ConfigurationError(
            f"{path} cannot be written without its warehouse, which holds the locks",
            hint="set CDR_WAREHOUSE_URL",
        )
    return _named_locks[0](str(path))
