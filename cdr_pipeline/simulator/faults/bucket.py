"""A38: the switch's own rate limit: 100 requests an account at once, ten more a second, and no hint when to return."""

import time

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply
from cdr_pipeline.simulator.faults.too_many import BODY

_SIZE = 100.0
_PER_SECOND = 10.0


class Bucket(SimulatedFault):
    """Counts every request of each account and refuses what is too much."""

    name = "bucket"
    times = None

    def __init__(self) -> None:
        super().__init__()
        self._level: dict[str, tuple[float, float]] = {}
        self.refusals = 0

    def concerns(self, request: Request) -> bool:
        """Every request that names an account."""
        return "/accounts/" in request.url.path

    async def strike(self, exchange: Exchange) -> None:
        """Takes a token out of the account's bucket, or refuses."""
        account = exchange.request.url.path.split("/accounts/")[1].split("/")[0]
        now = time.monotonic()
        level, filled_at = self._level.get(account, (_SIZE, now))
        level = min(_SIZE, level + (now - filled_at) * _PER_SECOND)
        if level < 1:
            self.refusals += 1
            self._level[account] = (level, now)
            await exchange.give(SimulatedReply(429, {"content-type": "application/json"}, BODY))
            return
        self._level[account] = (level - 1, now)
        await exchange.give(await exchange.answer())
