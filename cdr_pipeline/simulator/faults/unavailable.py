"""A05: the switch's database is unavailable for a moment."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply


class Unavailable(SimulatedFault):
    """Answers the first list with 503."""

    name = "unavailable"

    async def strike(self, exchange: Exchange) -> None:
        """Answers 503 with the switch's body."""
        body = (
            b'{"data":{"message":"datastore timeout"},"error":"503","message":"datastore_unreachable","status":"error"}'
        )
        await exchange.respond(SimulatedReply(503, {"content-type": "application/json"}, body))
