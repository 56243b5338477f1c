"""The switch's clock is six days slow."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault


class ClockBehind(SimulatedFault):
    """Sets the ``Date`` of every response to six days ago."""

    name = "clock_behind"
    times = None

    def concerns(self, request: Request) -> bool:
        """Applies to every request."""
        del request
        return True

    async def strike(self, exchange: Exchange) -> None:
        """Sends the switch's response with another date."""
        reply = await exchange.answer()
        moment = format_datetime(datetime.now(UTC) - timedelta(days=6), usegmt=True)
        await exchange.start(reply.status, reply.headers | {"date": moment, "content-length": str(len(reply.body))})
        await exchange.part(reply.body, more=False)
