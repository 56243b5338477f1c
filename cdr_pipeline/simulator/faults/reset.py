"""A03, A15: the connection is reset in the middle of a body, before its Content-Length is reached."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault


class Reset(SimulatedFault):
    """Sends half of the first list and resets the connection."""

    name = "reset"

    async def strike(self, exchange: Exchange) -> None:
        """Sends the full Content-Length and half of the body."""
        reply = await exchange.answer()
        await exchange.start(reply.status, reply.headers | {"content-length": str(len(reply.body))})
        await exchange.part(reply.body[: len(reply.body) // 2], more=True)
        exchange.hang_up()
