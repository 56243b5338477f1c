"""A11: a redirect to another host."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply


class Redirect(SimulatedFault):
    """Redirects the client to another host, where a careless client would send its token."""

    name = "redirect"
    times = None

    async def strike(self, exchange: Exchange) -> None:
        """Answers 302 with a host name that does not exist."""
        await exchange.respond(SimulatedReply(302, {"location": "https://elsewhere.invalid/v2/accounts"}, b""))
