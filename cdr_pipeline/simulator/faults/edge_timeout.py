"""A gateway in front of the switch that times out on windows across a month's edge."""

from starlette.requests import Request

from cdr_pipeline.core.time.timestamps import from_gregorian
from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply

_LONGEST_SECONDS = 4 * 3600


def over_an_edge(request: Request) -> bool:
    """Whether a list's window has seconds of two UTC months."""
    first, last = (int(request.query_params.get(name, "0")) for name in ("created_from", "created_to"))
    return f"{from_gregorian(first):%Y%m}" != f"{from_gregorian(last):%Y%m}"


class EdgeTimeout(SimulatedFault):
    """Answers the first list across a month's edge with 504."""

    name = "edge_timeout"

    def concerns(self, request: Request) -> bool:
        """Applies to windows across a month's edge."""
        return super().concerns(request) and over_an_edge(request)

    async def strike(self, exchange: Exchange) -> None:
        """Answers 504."""
        await exchange.respond(SimulatedReply(504, {"content-type": "text/html"}, b"<html>504 Gateway Time-out</html>"))


class LongEdgeTimeout(EdgeTimeout):
    """Answers every list across a month's edge that is longer than four hours with 504."""

    name = "long_edge_timeout"
    times = None

    def concerns(self, request: Request) -> bool:
        """Applies to long windows across a month's edge."""
        query = request.query_params
        seconds = int(query.get("created_to", "0")) - int(query.get("created_from", "0"))
        return super().concerns(request) and seconds > _LONGEST_SECONDS
