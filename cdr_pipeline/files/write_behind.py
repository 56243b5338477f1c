"""Brings the bytes of a large file to the disk while the file is written, so that the flush at its end is short."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Final

# Bytes after which a flush begins. Most files are smaller, and are flushed once, at their end.
_STEP: Final = 32 << 20


class WriteBehind:
    """Flushes one file again and again in a thread of its own.

    Args:
        handle: handle of the file; it must not be closed before ``finish``.
    """

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._unflushed = 0
        self._pool: ThreadPoolExecutor | None = None
        self._flush: Future[None] | None = None

    def wrote(self, size: int) -> None:
        """Starts a flush if enough bytes were written since the last one and none is running.

        Raises:
            OSError: the last flush failed. The system reports that only once, so the file must be given up.
        """
        self._unflushed += size
        if self._unflushed < _STEP or (self._flush is not None and not self._flush.done()):
            return
        self._await_flush()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="write_behind")
        self._unflushed = 0
        self._flush = self._pool.submit(os.fsync, self._handle.fileno())

    def finish(self) -> None:
        """Waits for a running flush and ends the thread; later bytes are not flushed.

        Raises:
            OSError: a flush failed.
        """
        try:
            self._await_flush()
        finally:
            if self._pool is not None:
                self._pool.shutdown()
                self._pool = None

    def _await_flush(self) -> None:
        flush, self._flush = self._flush, None
        if flush is not None:
            flush.result()
