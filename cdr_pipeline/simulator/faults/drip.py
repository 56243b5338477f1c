"""A04: a list that arrives byte by byte."""

import asyncio

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault

_SECONDS_BETWEEN_BYTES = 0.2


class Drip(SimulatedFault):
    """Sends the first list so slowly that the client's timeout passes."""

    name = "drip"

    async def strike(self, exchange: Exchange) -> None:
        """Sends one byte at a time until the client disconnects."""
        reply = await exchange.answer()
        await exchange.start(reply.status, reply.headers | {"content-length": str(len(reply.body))})
        for byte in reply.body:
            await exchange.part(bytes([byte]), more=True)
            await asyncio.sleep(_SECONDS_BETWEEN_BYTES)
            if await exchange.request.is_disconnected():
                return
