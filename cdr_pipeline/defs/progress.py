"""A step's progress in the log of its run, at a pace that people read."""

import threading
import time
from collections.abc import Callable
from typing import Final

# Dagster stores every line as an event of its own: one for each account and stage were the greater part of its cost.
_PACE_SECONDS: Final = 5.0


class PacedProgress:
    """Passes on what is said, at most one line every few seconds, with the number of those left out; from any thread.

    Args:
        say: who is told.
        now: seconds of a clock that never goes back.
    """

    def __init__(self, say: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._now = now
        self._lock = threading.Lock()
        self._next = now()
        self._left_out = 0

    def __call__(self, text: str) -> None:
        """Says it, or counts it."""
        with self._lock:
            if self._now() < self._next:
                self._left_out += 1
                return
            self._next = self._now() + _PACE_SECONDS
            left_out, self._left_out = self._left_out, 0
        self._say(f"{text} ({left_out:,} more before it)" if left_out else text)
