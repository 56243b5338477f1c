"""Keeps memory that is freed between the blocks of a large file, because the next block needs as much."""

import ctypes
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import Final

# Option of glibc's mallopt. Without glibc, nothing is changed.
_M_TRIM_THRESHOLD: Final = -1
# What glibc arrives at itself in a process that frees blocks of this size.
_USUAL_THRESHOLD: Final = 16 * 1024**2
_THRESHOLD: Final = 256 * 1024**2

_lock = Lock()
_users = 0


@contextmanager
def reused_memory() -> Generator[None]:
    """For the block, glibc keeps up to 256 MB of freed memory; then it returns them to the system.

    A file is read in blocks of some megabytes. By default glibc returns the memory of each block, and the system clears
    every page for the next one, which takes a third of the processor time. Blocks of several threads may overlap.
    """
    global _users  # noqa: PLW0603 - the setting is the process's own
    with _lock:
        _users += 1
        if _users == 1:
            _set_threshold(_THRESHOLD)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _set_threshold(_USUAL_THRESHOLD)
                _return_memory()


def _set_threshold(size: int) -> None:
    try:
        ctypes.CDLL(None).mallopt(_M_TRIM_THRESHOLD, size)
    except (AttributeError, OSError):
        return


def _return_memory() -> None:
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return
