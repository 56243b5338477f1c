"""Base classes of faults. A fault receives requests before the switch, and changes or replaces the responses."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import orjson
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class SimulatedReply:
    """A complete response of the switch."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The parsed body."""
        return cast("dict[str, Any]", orjson.loads(self.body))

    def with_json(self, envelope: dict[str, Any]) -> "SimulatedReply":
        """The same response with another body."""
        return replace(self, body=orjson.dumps(envelope))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that a fault answers, and the means to answer it."""

    request: Request
    app: ASGIApp
    receive: Receive
    send: Send

    async def answer(self) -> SimulatedReply:
        """The response of the switch without the fault."""
        status, headers, body = 500, dict[str, str](), bytearray()

        async def collect(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = dict(MutableHeaders(raw=message["headers"]).items())
            else:
                body.extend(message.get("body", b""))

        await self.app(self.request.scope, self.receive, collect)
        headers.pop("content-length", None)
        return SimulatedReply(status, headers, bytes(body))

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """Sends status and headers."""
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def part(self, body: bytes, *, more: bool) -> None:
        """Sends a part of the body."""
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def respond(self, reply: SimulatedReply) -> None:
        """Sends a complete response."""
        await self.start(reply.status, reply.headers | {"content-length": str(len(reply.body))})
        await self.part(reply.body, more=False)

    def hang_up(self) -> None:
        """Resets the connection, even in the middle of a response."""
        cast("Any", self.send).__self__.transport.abort()


class SimulatedFault(ABC):
    """A fault that a test or the simulator command can activate.

    Attributes:
        name: name of the fault.
        times: number of requests that it affects; None for all.
    """

    name: ClassVar[str]
    times: ClassVar[int | None] = 1

    def __init__(self) -> None:
        self._struck = 0

    def strikes(self, request: Request) -> bool:
        """Whether the fault affects this request; by default the first ``times`` that it applies to."""
        if not self.concerns(request) or (self.times is not None and self._struck >= self.times):
            return False
        self._struck += 1
        return True

    def concerns(self, request: Request) -> bool:
        """Whether the fault applies to this kind of request; by default to lists of a window."""
        return request.url.path.endswith("/cdrs") and "created_from" in request.query_params

    @abstractmethod
    async def strike(self, exchange: Exchange) -> None:
        """Answers the request in place of the switch."""


class RewritingFault(SimulatedFault):
    """A fault that changes the envelope of the switch's response."""

    times = None

    @abstractmethod
    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The changed envelope."""

    async def strike(self, exchange: Exchange) -> None:
        """Changes a successful JSON response, and passes on every other one."""
        reply = await exchange.answer()
        json = reply.headers.get("content-type", "").startswith("application/json")
        if reply.status == 200 and json:  # noqa: PLR2004 - OK
            reply = reply.with_json(self.rewritten(reply.json(), exchange.request))
        await exchange.respond(reply)


class FaultySwitch:
    """ASGI application of a switch with active faults."""

    def __init__(self, app: ASGIApp, faults: list[SimulatedFault]) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes each request to the first fault that affects it, or to the switch."""
        if scope["type"] == "http":
            request = Request(scope, receive)
            for fault in self._faults:
                if fault.strikes(request):
                    await fault.strike(Exchange(request, self._app, receive, send))
                    return
        await self._app(scope, receive, send)
