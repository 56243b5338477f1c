"""A38: the switch's rate limit: a bucket of 100 requests per account, refilled by ten a second, without Retry-After."""

import time

from starlette.requests import Request

from cdr_pipeline.core.time.token_bucket import TokenBucket
from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply
from cdr_pipeline.simulator.faults.too_many import BODY

_SIZE = 100.0
_PER_SECOND = 10.0


class Bucket(SimulatedFault):
    """Counts the requests of each account and refuses those above the limit."""

    name = "bucket"
    times = None

    def __init__(self) -> None:
        super().__init__()
        self._buckets: dict[str, TokenBucket] = {}
        self.refusals = 0

    def concerns(self, request: Request) -> bool:
        """Applies to every request for an account."""
        return "/accounts/" in request.url.path

    async def strike(self, exchange: Exchange) -> None:
        """Takes a token out of the account's bucket, or answers 429."""
        account = exchange.request.url.path.split("/accounts/")[1].split("/")[0]
        now = time.monotonic()
        bucket = self._buckets.setdefault(account, TokenBucket.full(_PER_SECOND, _SIZE, now))
        if bucket.seconds_until(1.0, now):
            self.refusals += 1
            await exchange.respond(SimulatedReply(429, {"content-type": "application/json"}, BODY))
            return
        bucket.spend(1.0, now)
        await exchange.respond(await exchange.answer())
