"""A10: a maintenance page with status 200."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply


class Html(SimulatedFault):
    """Answers the first list with a web page."""

    name = "html"

    async def strike(self, exchange: Exchange) -> None:
        """Sends HTML with status 200."""
        await exchange.respond(
            SimulatedReply(200, {"content-type": "text/html"}, b"<html><body>Back soon</body></html>")
        )
