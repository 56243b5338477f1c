"""Limits failed sign-ins by client address and name: failures at one address do not lock out a user at another."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# Failures that cost no wait.
_FREE: Final = 5
_FIRST_WAIT_SECONDS: Final = 2.0
_LONGEST_WAIT_SECONDS: Final = 300.0
# Failures of one address with any names that cost no wait.
_FREE_OF_ADDRESS: Final = 30
_FORGOTTEN_SECONDS: Final = 3_600.0
_MOST_KEYS: Final = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class Attempts:
    """Failed sign-ins of one process.

    The wait depends on the pair of address and name: an attacker at another address does not delay the user.

    Args:
        clock: function that returns seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, address: str, name: str) -> float:
        """Seconds until the next attempt is allowed; 0 if it is allowed now."""
        with self._lock:
            return max(self._wait((address, name.lower()), _FREE), self._wait((address, ""), _FREE_OF_ADDRESS))

    def note_failure(self, address: str, name: str) -> None:
        """Counts a failed attempt."""
        with self._lock:
            for key in ((address, name.lower()), (address, "")):
                failures = self._failures.pop(key, _Failures(0, 0.0))
                self._failures[key] = _Failures(failures.count + 1, self._clock())
            while len(self._failures) > _MOST_KEYS:
                self._failures.popitem(last=False)

    def note_success(self, address: str, name: str) -> None:
        """Forgets the failures of an address with a name."""
        with self._lock:
            self._failures.pop((address, name.lower()), None)

    def _wait(self, key: tuple[str, str], free: int) -> float:
        failures = self._failures.get(key)
        if failures is None or failures.count < free:
            return 0.0
        passed = self._clock() - failures.last
        if passed > _FORGOTTEN_SECONDS:
            del self._failures[key]
            return 0.0
        wait = min(_FIRST_WAIT_SECONDS * 2.0 ** min(failures.count - free, 20), _LONGEST_WAIT_SECONDS)
        return max(0.0, wait - passed)
