"""A01: the connection is reset before any answer."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault


class Drop(SimulatedFault):
    """Hangs up on the first list."""

    name = "drop"

    async def strike(self, exchange: Exchange) -> None:
        """Says nothing."""
        exchange.hang_up()
