"""A06: too many requests, and when to come back."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply

BODY = b'{"data":{"message":"too many requests"},"error":"429","message":"too_many_requests","status":"error"}'


class TooMany(SimulatedFault):
    """Answers the first three lists with 429; the switch itself names no time, a gateway before it does."""

    name = "too_many"
    times = 3

    async def strike(self, exchange: Exchange) -> None:
        """Asks for one second."""
        await exchange.give(SimulatedReply(429, {"content-type": "application/json", "retry-after": "1"}, BODY))
