"""A11: a redirect to somewhere else."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply


class Redirect(SimulatedFault):
    """Sends the client, and its token if it is careless, to another host."""

    name = "redirect"
    times = None

    async def strike(self, exchange: Exchange) -> None:
        """302 to a name that resolves nowhere."""
        await exchange.give(SimulatedReply(302, {"location": "https://elsewhere.invalid/v2/accounts"}, b""))
