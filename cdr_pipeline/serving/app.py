"""One ASGI application of the API and the console, by path."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from cdr_pipeline.api.app import create_app
from cdr_pipeline.console.app import create_console
from cdr_pipeline.steps.run_context import RunContext

_API_PATHS: Final = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")
_API_PREFIXES: Final = ("/v1/", "/v2/", "/docs/")


class ServedApp:
    """Sends requests of the API's paths to the API and all others to the console.

    Args:
        ctx: settings, warehouse, clock and progress callback.
        workers: number of processes that serve.
        stopped: called when both applications have stopped.
    """

    def __init__(self, ctx: RunContext, *, workers: int = 1, stopped: Callable[[], None] | None = None) -> None:
        self._api = create_app(ctx, workers=workers)
        self._console = create_console(ctx)

        @asynccontextmanager
        async def running(_: Starlette) -> AsyncGenerator[None]:
            async with self._api.running(), self._console.running():
                yield
            if stopped:
                stopped()

        self._lifespan = Router(lifespan=running)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or starts and stops both applications."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["path"] in _API_PATHS or scope["path"].startswith(_API_PREFIXES):
            await self._api(scope, receive, send)
        else:
            await self._console(scope, receive, send)
