"""Client-side rate limit for the server's token buckets, which slows down when the server answers 429.

A stock switch has a bucket of 100 tokens for each client and account. It refills ten tokens a second; a request costs
one token, a login 35. White-label versions may have other numbers.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# Tokens left in the server's bucket for other programs that use the same account from the same address.
_RESERVE: Final = 10
_SLOWEST_PER_SECOND: Final = 0.2
_BURST_SECONDS: Final = 2.0
# After a 429 has halved the rate, every response raises it again by this share of the full rate.
_RECOVERY: Final = 0.02


@dataclass(slots=True)
class _Bucket:
    """Number of requests that may be sent now, refilled at a rate."""

    rate: float
    level: float
    filled_at: float
    closed_until: float = 0.0

    def take(self, now: float, burst: float) -> float:
        """Takes one request out, below zero if the bucket is empty. Returns the seconds until it may be sent."""
        if now > self.filled_at:
            self.level = min(burst, self.level + (now - self.filled_at) * self.rate)
            self.filled_at = now
        self.level -= 1.0
        return max(0.0 if self.level >= 0 else -self.level / self.rate, self.closed_until - now)


class Pace:
    """Rate limit for each account and for the host. Safe for several threads.

    Args:
        per_second: requests per second of one account, as long as the server does not answer 429.
        host_per_second: requests per second of all accounts together.
        clock, sleep: for tests.
    """

    def __init__(
        self,
        per_second: float,
        host_per_second: float = 10_000.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._full = per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._host_rate = host_per_second
        self._host = _Bucket(host_per_second, self._burst(host_per_second), clock())
        self._accounts: dict[str, _Bucket] = {}

    def wait(self, account_id: str) -> None:
        """Waits until the account's next request may be sent. A waiting account does not delay others."""
        with self._lock:
            now = self._clock()
            bucket = self._of(account_id)
            seconds = max(
                bucket.take(now, self._burst(bucket.rate)), self._host.take(now, self._burst(self._host_rate))
            )
        if seconds > 0:
            self._sleep(seconds)

    def refused(self, account_id: str, retry_after_seconds: float | None) -> None:
        """Records a 429: halves the account's rate and sends nothing until ``retry_after_seconds`` have passed."""
        with self._lock:
            bucket = self._of(account_id)
            bucket.rate = max(bucket.rate / 2, _SLOWEST_PER_SECOND)
            bucket.level = min(bucket.level, 0.0)
            bucket.closed_until = self._clock() + (retry_after_seconds or 1.0 / bucket.rate)

    def answered(self, account_id: str, tokens_left: int | None = None) -> None:
        """Records a response, and the number of tokens left in the server's bucket if the response has it."""
        with self._lock:
            bucket = self._of(account_id)
            bucket.rate = min(self._full, bucket.rate + _RECOVERY * self._full)
            if tokens_left is not None and tokens_left < _RESERVE:
                bucket.level = min(bucket.level, float(tokens_left - _RESERVE))

    def rate(self, account_id: str) -> float:
        """Current rate limit of the account, in requests per second."""
        with self._lock:
            return self._of(account_id).rate

    def _of(self, account_id: str) -> _Bucket:
        if account_id not in self._accounts:
            self._accounts[account_id] = _Bucket(self._full, self._burst(self._full), self._clock())
        return self._accounts[account_id]

    @staticmethod
    def _burst(rate: float) -> float:
        return max(1.0, rate * _BURST_SECONDS)
