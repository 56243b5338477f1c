"""A04: a list that comes byte by byte."""

import asyncio

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault

_SECONDS_BETWEEN_BYTES = 0.2


class Drip(SimulatedFault):
    """Never stops sending the first list, and never gets far."""

    name = "drip"

    async def strike(self, exchange: Exchange) -> None:
        """Sends a byte at a time until the client has had enough."""
        reply = await exchange.answer()
        await exchange.start(reply.status, reply.headers | {"content-length": str(len(reply.body))})
        for byte in reply.body:
            await exchange.part(bytes([byte]), more=True)
            await asyncio.sleep(_SECONDS_BETWEEN_BYTES)
            if await exchange.request.is_disconnected():
                return
