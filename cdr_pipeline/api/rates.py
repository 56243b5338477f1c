"""Rate limits: token buckets of accounts, of accounts with all below them, and of client addresses for failed logins.

Each worker counts for itself; the limit of a worker is the total limit divided by the number of workers.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from cdr_pipeline.api.refusals import too_many
from cdr_pipeline.core.time.token_bucket import TokenBucket

# Size of a bucket, in seconds of its rate: the largest burst.
_BURST_SECONDS: Final = 10.0
# Invalid tokens from one address: size of the bucket and its rate per second.
_FAILURES: Final = 20.0
_FAILURES_PER_SECOND: Final = 0.5
# Seconds after which a worker notices that an account has moved in the tree.
_TREE_SECONDS: Final = 60.0
# Most addresses or tokens in memory; the least recently used are removed first.
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class RateState:
    """What is left of a limit, as in the IETF draft "RateLimit header fields for HTTP".

    Attributes:
        policy: value of the header RateLimit-Policy: the quota and the seconds in which it is refilled.
        state: value of the header RateLimit: the requests that are left and the seconds until all are available.
    """

    policy: str
    state: str


class Buckets:
    """Token buckets by name, all with the same rate and size.

    Args:
        rate: bucket tokens added per second.
        size: most bucket tokens that a bucket holds.
        clock: monotonic clock in seconds.
        policy: name of the limit in the headers.
    """

    def __init__(self, rate: float, size: float, clock: Callable[[], float], policy: str) -> None:
        self._rate, self._size, self._clock, self._policy = rate, size, clock, policy
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def wait_for(self, name: str, cost: float, *, take: bool) -> int:
        """Seconds until the bucket holds the cost; 0 if it holds the cost now.

        Args:
            name: name of the bucket.
            cost: number of bucket tokens.
            take: whether to take the cost out of the bucket if it is there.
        """
        now = self._clock()
        bucket = self._buckets.pop(name, None) or TokenBucket.full(self._rate, self._size, now)
        self._buckets[name] = bucket
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        seconds = bucket.seconds_until(cost, now)
        if seconds:
            return max(1, math.ceil(seconds))
        if take:
            bucket.spend(cost, now)
        return 0

    def state_of(self, name: str) -> RateState:
        """What is left in a bucket that ``wait_for`` has looked at."""
        left = max(0.0, self._buckets[name].level)
        full_in = math.ceil((self._size - left) / self._rate)
        window = math.ceil(self._size / self._rate)
        name = self._policy
        return RateState(f'"{name}";q={int(self._size)};w={window}', f'"{name}";r={int(left)};t={full_in}')

    def drain(self, name: str, cost: float) -> None:
        """Takes the cost; empties the bucket if it holds less."""
        if self.wait_for(name, cost, take=True):
            self._buckets[name].level = 0.0


class Rates:
    """Rate limits of one worker.

    Args:
        per_second: allowed requests per second and account over all workers, by all tokens of the account; 0 disables
            the limits.
        subtree_per_second: the same by all tokens of an account and of those below it; 0 for no such limit.
        workers: number of workers that share the limit.
        clock: monotonic clock in seconds.
    """

    def __init__(
        self, per_second: float, workers: int, clock: Callable[[], float], *, subtree_per_second: float = 0.0
    ) -> None:
        self._clock = clock
        self._accounts = _buckets(per_second / workers, clock, "account")
        self._subtrees = _buckets(subtree_per_second / workers, clock, "subtree") if per_second > 0 else None
        self._failures = Buckets(_FAILURES_PER_SECOND, _FAILURES, clock, "failures") if per_second > 0 else None
        self._above: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._trusted: OrderedDict[int, None] = OrderedDict()

    def known_above(self, account_id: str) -> tuple[str, ...] | None:
        """The accounts whose limits of a subtree a token of an account uses; None if they must be read again."""
        if self._subtrees is None:
            return ()
        read_at, accounts = self._above.get(account_id, (-math.inf, ()))
        return accounts if self._clock() - read_at < _TREE_SECONDS else None

    def note_above(self, account_id: str, accounts: Sequence[str]) -> tuple[str, ...]:
        """Remembers the accounts whose limits of a subtree a token of an account uses, for a minute."""
        self._above[account_id] = (self._clock(), tuple(accounts))
        self._above.move_to_end(account_id)
        if len(self._above) > _REMEMBERED:
            self._above.popitem(last=False)
        return tuple(accounts)

    def take(self, request: Request, account_id: str, above: Sequence[str] = (), cost: float = 1.0) -> None:
        """Counts a request with a token of the account, and remembers for its response what is left.

        Args:
            request: the request.
            account_id: account of the token.
            above: accounts whose limits of a subtree the token uses.
            cost: number of requests that it counts as.

        Raises:
            RequestRefused: 429 with Retry-After.
        """
        if self._accounts is None:
            return
        # A refused request takes nothing, so that an account does not use up what others share with it.
        seconds = self._accounts.wait_for(account_id, cost, take=False)
        if not seconds and self._subtrees is not None:
            for name in above:
                if wait := self._subtrees.wait_for(name, cost, take=False):
                    request.state.rate = self._subtrees.state_of(name)
                    raise too_many(wait)
            for name in above:
                self._subtrees.drain(name, cost)
        if not seconds:
            self._accounts.drain(account_id, cost)
        request.state.rate = self._accounts.state_of(account_id)
        if seconds:
            raise too_many(seconds)

    def require_unsuspected(self, request: Request, token: str) -> None:
        """Raises RequestRefused: 429, if the address has sent too many invalid tokens.

        A token that was valid before is exempt, so that one client cannot lock out others behind the same address.
        """
        if self._failures is None or hash(token) in self._trusted:
            return
        seconds = self._failures.wait_for(_address(request), 1.0, take=False)
        if seconds:
            request.state.rate = self._failures.state_of(_address(request))
            raise too_many(seconds)

    def note_failure(self, request: Request) -> None:
        """Counts an invalid token of the client's address, and remembers for the response how many more may follow."""
        if self._failures is not None:
            self._failures.drain(_address(request), 1.0)
            request.state.rate = self._failures.state_of(_address(request))

    def note_success(self, token: str) -> None:
        """Remembers that a token was valid. Stores only a hash that is specific to this process."""
        self._trusted[hash(token)] = None
        self._trusted.move_to_end(hash(token))
        if len(self._trusted) > _REMEMBERED:
            self._trusted.popitem(last=False)


def _buckets(rate: float, clock: Callable[[], float], policy: str) -> Buckets | None:
    return Buckets(rate, max(1.0, rate * _BURST_SECONDS), clock, policy) if rate > 0 else None


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
