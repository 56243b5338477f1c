"""A06: too many requests, with the time to wait."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply

BODY = b'{"data":{"message":"too many requests"},"error":"429","message":"too_many_requests","status":"error"}'


class TooMany(SimulatedFault):
    """Answers the first three lists with 429 and Retry-After, which a gateway sends and the switch itself does not."""

    name = "too_many"
    times = 3

    async def strike(self, exchange: Exchange) -> None:
        """Answers 429 with Retry-After of one second."""
        await exchange.respond(SimulatedReply(429, {"content-type": "application/json", "retry-after": "1"}, BODY))
