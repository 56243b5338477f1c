"""A file lock that only one process of this machine can hold at a time."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path) -> Generator[None]:
    """Waits for the lock of a file and holds it for the block. The kernel releases the lock of a process that dies.

    Args:
        path: lock file, in a folder that exists; it is created if it does not exist.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
