"""A14: a chunked list that ends too early, although the transfer ends as if all were well."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault


class Cut(SimulatedFault):
    """Loses the second half of the first list without any sign on the wire."""

    name = "cut"

    async def strike(self, exchange: Exchange) -> None:
        """Ends the transfer properly after half of the body."""
        reply = await exchange.answer()
        await exchange.start(reply.status, reply.headers)
        await exchange.part(reply.body[: len(reply.body) // 2], more=True)
        await exchange.part(b"", more=False)
