"""A14: a chunked list that is truncated, although the transfer ends correctly."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault


class Cut(SimulatedFault):
    """Omits the second half of the first list, without a sign in the protocol."""

    name = "cut"

    async def strike(self, exchange: Exchange) -> None:
        """Ends the transfer correctly after half of the body."""
        reply = await exchange.answer()
        await exchange.start(reply.status, reply.headers)
        await exchange.part(reply.body[: len(reply.body) // 2], more=True)
        await exchange.part(b"", more=False)
