"""A03, A15: the connection is reset in the middle of a body that was promised to be longer."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault


class Reset(SimulatedFault):
    """Sends half of the first list."""

    name = "reset"

    async def strike(self, exchange: Exchange) -> None:
        """Promises all, sends half."""
        reply = await exchange.answer()
        await exchange.start(reply.status, reply.headers | {"content-length": str(len(reply.body))})
        await exchange.part(reply.body[: len(reply.body) // 2], more=True)
        exchange.hang_up()
