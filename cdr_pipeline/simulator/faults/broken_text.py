"""A18: half a surrogate pair in a caller's name."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply


class BrokenText(SimulatedFault):
    """Puts a lone surrogate into the first row of every list."""

    name = "broken_text"
    times = None

    async def strike(self, exchange: Exchange) -> None:
        """Inserts the surrogate into the bytes, because JSON writers cannot produce it."""
        reply = await exchange.answer()
        body = reply.body.replace(b'"caller_id_name":"', b'"caller_id_name":"\\ud83d', 1)
        await exchange.respond(SimulatedReply(reply.status, reply.headers, body))
