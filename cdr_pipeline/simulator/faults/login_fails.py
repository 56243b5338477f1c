"""A proxy answers the login: with 503, then with a web page, then with 504."""

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply

_PAGE = b"<html><body>Back soon</body></html>"


class LoginFails(SimulatedFault):
    """Answers the first three logins with 503, a web page with status 200, and 504."""

    name = "login_fails"
    times = 3

    def concerns(self, request: Request) -> bool:
        """Applies to logins."""
        return request.url.path.endswith(("/api_auth", "/user_auth"))

    async def strike(self, exchange: Exchange) -> None:
        """Answers with the next status of the three."""
        status = (503, 200, 504)[(self._struck - 1) % 3]
        await exchange.respond(SimulatedReply(status, {"content-type": "text/html"}, _PAGE))
