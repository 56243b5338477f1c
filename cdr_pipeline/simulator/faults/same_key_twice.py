"""A19: an object that says a key twice."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply


class SameKeyTwice(SimulatedFault):
    """Gives the first row of the first list two durations."""

    name = "same_key_twice"

    async def strike(self, exchange: Exchange) -> None:
        """Adds a second value that a careless parser would take."""
        reply = await exchange.answer()
        body = reply.body.replace(b'"billing_seconds":', b'"billing_seconds":999999,"billing_seconds":', 1)
        await exchange.give(SimulatedReply(reply.status, reply.headers, body))
