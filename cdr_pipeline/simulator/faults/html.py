"""A10: a maintenance page with status 200."""

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply


class Html(SimulatedFault):
    """Answers the first list with a web page."""

    name = "html"

    async def strike(self, exchange: Exchange) -> None:
        """Says that all is well, in HTML."""
        await exchange.give(SimulatedReply(200, {"content-type": "text/html"}, b"<html><body>Back soon</body></html>"))
