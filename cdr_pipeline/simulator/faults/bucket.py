"""A38: the switch's rate limit: a bucket of 100 requests per account, refilled by ten a second, without Retry-After."""

import time

from starlette.requests import Request

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
        self._level: dict[str, tuple[float, float]] = {}
        self.refusals = 0

    def concerns(self, request: Request) -> bool:
        """Applies to every request for an account."""
        return "/accounts/" in request.url.path

    async def strike(self, exchange: Exchange) -> None:
        """Takes a token out of the account's bucket, or answers 429."""
        account = exchange.request.url.path.split("/accounts/")[1].split("/")[0]
        now = time.monotonic()
        level, filled_at = self._level.get(account, (_SIZE, now))
        level = min(_SIZE, level + (now - filled_at) * _PER_SECOND)
        if level < 1:
            self.refusals += 1
            self._level[account] = (level, now)
            await exchange.respond(SimulatedReply(429, {"content-type": "application/json"}, BODY))
            return
        self._level[account] = (level - 1, now)
        await exchange.respond(await exchange.answer())
