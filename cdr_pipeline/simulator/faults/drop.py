"""A01: the connection is reset before a response."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault


class Drop(SimulatedFault):
    """Resets the connection of the first list."""

    name = "drop"

    async def strike(self, exchange: Exchange) -> None:
        """Resets the connection without sending anything."""
        exchange.hang_up()
