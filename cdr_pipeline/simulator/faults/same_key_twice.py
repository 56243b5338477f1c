"""A19: a JSON object with a duplicate key."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply


class SameKeyTwice(SimulatedFault):
    """Adds a second duration to the first row of the first list."""

    name = "same_key_twice"

    async def strike(self, exchange: Exchange) -> None:
        """Adds a second value, which a lenient parser would accept."""
        reply = await exchange.answer()
        body = reply.body.replace(b'"billing_seconds":', b'"billing_seconds":999999,"billing_seconds":', 1)
        await exchange.respond(SimulatedReply(reply.status, reply.headers, body))
