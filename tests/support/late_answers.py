"""A web application whose answers about records are late."""

import asyncio
from typing import Any


def answering_late(app: Any, seconds: float) -> Any:
    """The application; requests for records wait some seconds, any number at a time."""

    async def late(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/cdrs"):
            await asyncio.sleep(seconds)
        await app(scope, receive, send)

    return late
