"""The login is answered by a proxy: gone for a moment, then a web page, then too slow."""

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply

_PAGE = b"<html><body>Back soon</body></html>"


class LoginFails(SimulatedFault):
    """Answers the first three logins with 503, a web page with status 200, and 504."""

    name = "login_fails"
    times = 3

    def concerns(self, request: Request) -> bool:
        """Logins."""
        return request.url.path.endswith(("/api_auth", "/user_auth"))

    async def strike(self, exchange: Exchange) -> None:
        """Refuses in the order of the statuses."""
        status = (503, 200, 504)[(self._struck - 1) % 3]
        await exchange.give(SimulatedReply(status, {"content-type": "text/html"}, _PAGE))
