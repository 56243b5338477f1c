"""Keeps requests below what the server's token bucket refills."""

import threading
import time
from collections.abc import Callable


class Pace:
    """At most so many requests a second for each account, evenly spaced; safe for several threads."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1.0 / per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}

    def wait(self, account_id: str) -> None:
        """Returns when the account's next request may go out."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._free_at.get(account_id, now))
            self._free_at[account_id] = turn + self._interval
        if turn > now:
            self._sleep(turn - now)
