"""Throttles the progress messages that a step writes to the log of its run."""

import threading
import time
from collections.abc import Callable
from typing import Final

# Dagster stores every line as an event. One line per account and stage would dominate the cost of a run.
_INTERVAL_SECONDS: Final = 5.0


class PacedProgress:
    """Progress callback that writes at most one line every five seconds. Thread-safe.

    Each line includes the number of lines that were skipped before it.

    Args:
        write: writes a line.
        now: monotonic clock in seconds.
    """

    def __init__(self, write: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._now = now
        self._lock = threading.Lock()
        self._next = now()
        self._skipped = 0

    def __call__(self, text: str) -> None:
        """Writes or skips a line."""
        with self._lock:
            if self._now() < self._next:
                self._skipped += 1
                return
            self._next = self._now() + _INTERVAL_SECONDS
            skipped, self._skipped = self._skipped, 0
        self._write(f"{text} ({skipped:,} more before it)" if skipped else text)
