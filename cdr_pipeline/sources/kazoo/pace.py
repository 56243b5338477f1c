"""Client-side rate limit for the server's token buckets, which slows down when the server answers 429.

A stock switch has a bucket of 100 tokens for each client and account. It refills ten tokens a second; a request costs
one token, a login 35. White-label versions may have other numbers.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cdr_pipeline.core.time.token_bucket import TokenBucket

# Tokens left in the server's bucket for other programs that use the same account from the same address.
_RESERVE: Final = 10
_SLOWEST_PER_SECOND: Final = 0.2
_BURST_SECONDS: Final = 2.0
# A process reserves the requests of this time at once. A reservation costs one statement.
_RESERVED_SECONDS: Final = 0.5
# After a 429 has halved the rate, every response raises it again by this share of the full rate.
_RECOVERY: Final = 0.02


Reserve = Callable[[str, float, int], float]
"""Reserves requests of a place at a rate among all processes, and returns the seconds until they may be sent."""


@dataclass(slots=True)
class _Share:
    """Requests that this process has reserved among all processes, and the time from which it may send them."""

    place: str
    rate: float
    left: int = 0
    begins_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def seconds_until_next(self, reserve: Reserve, clock: Callable[[], float]) -> float:
        """Takes a request out of the reservation, after a new one if none is left."""
        with self.lock:
            if self.left == 0:
                self.left = max(1, int(self.rate * _RESERVED_SECONDS))
                self.begins_at = clock() + reserve(self.place, self.rate, self.left)
            self.left -= 1
            return self.begins_at - clock()


@dataclass(slots=True)
class _AccountPace:
    """Requests of one account: its bucket, and the time until which the server wants none."""

    bucket: TokenBucket
    share: _Share
    closed_until: float = 0.0


class Pace:
    """Rate limit for each account and for the host. Safe for several threads.

    Args:
        per_second: requests per second of one account, as long as the server does not answer 429.
        host_per_second: requests per second of all accounts together.
        clock, sleep: for tests.
        reserve: reserves requests among all processes; None if this process is alone.
        host: host of the switch; its name identifies the reservations.
    """

    def __init__(
        self,
        per_second: float,
        host_per_second: float = 10_000.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        *,
        reserve: Reserve | None = None,
        host: str = "",
    ) -> None:
        self._full = per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._host = TokenBucket.full(host_per_second, _burst(host_per_second), clock())
        self._accounts: dict[str, _AccountPace] = {}
        self._reserve = reserve
        self._shared_host = _Share(host, host_per_second)

    def wait(self, account_id: str) -> None:
        """Waits until the account's next request may be sent. A waiting account does not delay others."""
        with self._lock:
            now = self._clock()
            account = self._of(account_id)
            seconds = max(account.bucket.spend(1.0, now), account.closed_until - now, self._host.spend(1.0, now))
        if self._reserve is not None:
            shared = (account.share, self._shared_host)
            seconds = max(seconds, *(share.seconds_until_next(self._reserve, self._clock) for share in shared))
        if seconds > 0:
            self._sleep(seconds)

    def refused(self, account_id: str, retry_after_seconds: float | None) -> None:
        """Records a 429: halves the account's rate and sends nothing until ``retry_after_seconds`` have passed."""
        with self._lock:
            account = self._of(account_id)
            bucket = account.bucket
            _set_rate(bucket, max(bucket.rate / 2, _SLOWEST_PER_SECOND))
            bucket.level = min(bucket.level, 0.0)
            account.closed_until = self._clock() + (retry_after_seconds or 1.0 / bucket.rate)

    def answered(self, account_id: str, tokens_left: int | None = None) -> None:
        """Records a response, and the number of tokens left in the server's bucket if the response has it."""
        with self._lock:
            bucket = self._of(account_id).bucket
            _set_rate(bucket, min(self._full, bucket.rate + _RECOVERY * self._full))
            if tokens_left is not None and tokens_left < _RESERVE:
                bucket.level = min(bucket.level, float(tokens_left - _RESERVE))

    def rate(self, account_id: str) -> float:
        """Current rate limit of the account, in requests per second."""
        with self._lock:
            return self._of(account_id).bucket.rate

    def _of(self, account_id: str) -> _AccountPace:
        if account_id not in self._accounts:
            bucket = TokenBucket.full(self._full, _burst(self._full), self._clock())
            share = _Share(f"{self._shared_host.place}/{account_id}", self._full)
            self._accounts[account_id] = _AccountPace(bucket, share)
        return self._accounts[account_id]


def _burst(rate: float) -> float:
    return max(1.0, rate * _BURST_SECONDS)


def _set_rate(bucket: TokenBucket, rate: float) -> None:
    bucket.rate, bucket.size = rate, _burst(rate)
