"""A gateway in front of the switch whose timeout is too short for long windows."""

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply

_LONGEST_SECONDS = 3 * 3600


class GatewayTimeout(SimulatedFault):
    """Answers every list of more than three hours with 504 and HTML. The switch itself never sends 504."""

    name = "gateway_timeout"
    times = None

    def concerns(self, request: Request) -> bool:
        """Applies to windows longer than three hours."""
        query = request.query_params
        first, last = query.get("created_from", "0"), query.get("created_to", "0")
        return super().concerns(request) and int(last) - int(first) > _LONGEST_SECONDS

    async def strike(self, exchange: Exchange) -> None:
        """Answers 504."""
        await exchange.respond(SimulatedReply(504, {"content-type": "text/html"}, b"<html>504 Gateway Time-out</html>"))
