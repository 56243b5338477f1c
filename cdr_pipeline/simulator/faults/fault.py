"""What a fault is: it stands before the switch, sees a request, and spoils or replaces the answer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import orjson
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class SimulatedReply:
    """A whole answer of the switch."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Its body."""
        return cast("dict[str, Any]", orjson.loads(self.body))

    def with_json(self, envelope: dict[str, Any]) -> "SimulatedReply":
        """The same with another body."""
        return replace(self, body=orjson.dumps(envelope))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that a fault has to do with."""

    request: Request
    app: ASGIApp
    receive: Receive
    send: Send

    async def answer(self) -> SimulatedReply:
        """What the switch would say."""
        status, headers, body = 500, dict[str, str](), bytearray()

        async def keep(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = dict(MutableHeaders(raw=message["headers"]).items())
            else:
                body.extend(message.get("body", b""))

        await self.app(self.request.scope, self.receive, keep)
        headers.pop("content-length", None)
        return SimulatedReply(status, headers, bytes(body))

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """Begins an answer by hand."""
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def part(self, body: bytes, *, more: bool) -> None:
        """Goes on with it."""
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def give(self, reply: SimulatedReply) -> None:
        """Sends a whole answer."""
        await self.start(reply.status, reply.headers | {"content-length": str(len(reply.body))})
        await self.part(reply.body, more=False)

    def hang_up(self) -> None:
        """Resets the connection, whatever has been sent."""
        cast("Any", self.send).__self__.transport.abort()


class SimulatedFault(ABC):
    """A case of the fault list.

    Attributes:
        name: by which it is switched on.
        times: how often it strikes; None for every time.
    """

    name: ClassVar[str]
    times: ClassVar[int | None] = 1

    def __init__(self) -> None:
        self._struck = 0

    def strikes(self, request: Request) -> bool:
        """Whether this request is hit; the first lists are, by default."""
        if not self.concerns(request) or (self.times is not None and self._struck >= self.times):
            return False
        self._struck += 1
        return True

    def concerns(self, request: Request) -> bool:
        """Whether the fault has to do with such requests: lists of a window, unless a case says otherwise."""
        return request.url.path.endswith("/cdrs") and "created_from" in request.query_params

    @abstractmethod
    async def strike(self, exchange: Exchange) -> None:
        """Answers in the switch's place."""


class RewritingFault(SimulatedFault):
    """A fault that lets the switch answer and changes the rows of a list."""

    times = None

    @abstractmethod
    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The envelope as it goes out."""

    async def strike(self, exchange: Exchange) -> None:
        """Changes a successful JSON answer, lets every other one pass."""
        reply = await exchange.answer()
        json = reply.headers.get("content-type", "").startswith("application/json")
        if reply.status == 200 and json:  # noqa: PLR2004 - OK
            reply = reply.with_json(self.rewritten(reply.json(), exchange.request))
        await exchange.give(reply)


class FaultySwitch:
    """The switch behind its faults, as an ASGI application."""

    def __init__(self, app: ASGIApp, faults: list[SimulatedFault]) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gives each request to the first fault that strikes, or to the switch."""
        if scope["type"] == "http":
            request = Request(scope, receive)
            for fault in self._faults:
                if fault.strikes(request):
                    await fault.strike(Exchange(request, self._app, receive, send))
                    return
        await self._app(scope, receive, send)
