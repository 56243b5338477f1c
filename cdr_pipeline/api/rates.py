"""How fast clients may ask: a bucket of tokens for each token and one for the failures of each address.

Counted in each worker by itself; the share of a worker is the whole divided by their number.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from cdr_pipeline.api.refusals import too_many

# A burst of so many seconds' worth is let through at once.
_BURST_SECONDS: Final = 10.0
# Wrong tokens from one address: so many at once, then one in so many seconds.
_FAILURES: Final = 20.0
_FAILURES_PER_SECOND: Final = 0.5
# Addresses and tokens that are remembered; the least recent are forgotten first, so that memory stays bounded.
_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    level: float
    moment: float


class Buckets:
    """Buckets by name that fill at one rate.

    Args:
        rate: tokens a second.
        size: most that a bucket holds.
        clock: seconds that never go back.
    """

    def __init__(self, rate: float, size: float, clock: Callable[[], float]) -> None:
        self._rate, self._size, self._clock = rate, size, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_for(self, name: str, cost: float, *, take: bool) -> int:
        """Seconds until the bucket holds the cost, 0 when it does now; takes it then, if asked to."""
        now = self._clock()
        bucket = self._buckets.pop(name, None) or _Bucket(self._size, now)
        bucket.level = min(self._size, bucket.level + (now - bucket.moment) * self._rate)
        bucket.moment = now
        self._buckets[name] = bucket
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.level >= cost:
            bucket.level -= cost if take else 0
            return 0
        return max(1, math.ceil((cost - bucket.level) / self._rate))

    def drain(self, name: str, cost: float) -> None:
        """Takes the cost, as far as it is there."""
        if self.wait_for(name, cost, take=True):
            self._buckets[name].level = 0.0


class Rates:
    """The limits of one worker.

    Args:
        per_second: requests of one token; 0 switches the limit off.
        workers: among how many it is shared.
        clock: seconds that never go back.
    """

    def __init__(self, per_second: float, workers: int, clock: Callable[[], float]) -> None:
        share = per_second / workers
        self._tokens = Buckets(share, max(1.0, share * _BURST_SECONDS), clock) if share > 0 else None
        self._failures = Buckets(_FAILURES_PER_SECOND, _FAILURES, clock) if share > 0 else None
        self._trusted: OrderedDict[int, None] = OrderedDict()

    def take(self, token_id: str, cost: float = 1.0) -> None:
        """Counts a request. Raises RequestRefused: 429 with Retry-After."""
        if self._tokens is None:
            return
        seconds = self._tokens.wait_for(token_id, cost, take=True)
        if seconds:
            raise too_many(seconds)

    def require_unsuspected(self, request: Request, token: str) -> None:
        """Raises RequestRefused: 429, too many wrong tokens came from the address.

        A token that was right before is looked up nevertheless: a neighbour who guesses locks nobody out.
        """
        if self._failures is None or hash(token) in self._trusted:
            return
        seconds = self._failures.wait_for(_address(request), 1.0, take=False)
        if seconds:
            raise too_many(seconds)

    def note_failure(self, request: Request) -> None:
        """Counts a wrong token."""
        if self._failures is not None:
            self._failures.drain(_address(request), 1.0)

    def note_success(self, token: str) -> None:
        """Remembers, by a hash of this process alone, that a token was right."""
        self._trusted[hash(token)] = None
        self._trusted.move_to_end(hash(token))
        if len(self._trusted) > _REMEMBERED:
            self._trusted.popitem(last=False)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
