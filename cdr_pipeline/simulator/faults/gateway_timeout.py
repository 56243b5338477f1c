"""A gateway before the switch that waits too short a time for long windows."""

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply

_LONGEST_SECONDS = 3 * 3600


class GatewayTimeout(SimulatedFault):
    """Answers every list of more than three hours with 504, as HTML; the switch itself never says 504."""

    name = "gateway_timeout"
    times = None

    def concerns(self, request: Request) -> bool:
        """Long windows."""
        query = request.query_params
        first, last = query.get("created_from", "0"), query.get("created_to", "0")
        return super().concerns(request) and int(last) - int(first) > _LONGEST_SECONDS

    async def strike(self, exchange: Exchange) -> None:
        """Gives up."""
        await exchange.give(SimulatedReply(504, {"content-type": "text/html"}, b"<html>504 Gateway Time-out</html>"))
