"""A07: the token expires in the middle of a run."""

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply


class Unauthorized(SimulatedFault):
    """Refuses the token of the second list."""

    name = "unauthorized"

    def __init__(self) -> None:
        super().__init__()
        self._lists = 0

    def strikes(self, request: Request) -> bool:
        """Whether this is the second list."""
        if not self.concerns(request):
            return False
        self._lists += 1
        return self._lists == 2  # noqa: PLR2004 - in the middle of a run, not at its start

    async def strike(self, exchange: Exchange) -> None:
        """Answers 401 with the body of 4.3."""
        body = b'{"data":{},"error":"401","message":"invalid credentials","status":"error"}'
        await exchange.respond(SimulatedReply(401, {"content-type": "application/json"}, body))
