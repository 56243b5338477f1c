"""Reads request bodies with limits on size and time."""

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from cdr_pipeline.api.refusals import invalid_model, parse_error, too_large
from cdr_pipeline.errors import RequestRefused

_Body = TypeVar("_Body", bound=BaseModel)
_SMALL: Final = 16 * 1024
# After the grace period a body must arrive at this rate at least; the server cuts off slower clients.
_GRACE_SECONDS: Final = 30.0
_SLOWEST_BYTES_PER_SECOND: Final = 16 * 1024


async def read_small(request: Request, limit: int = _SMALL) -> bytes:
    """A JSON body of at most so many bytes. Raises RequestRefused: 408, 413."""
    return b"".join([piece async for piece in _pieces(request, limit)])


async def save_body(request: Request, path: Path, limit: int) -> int:
    """Writes a body to a new file and returns its size in bytes. Memory use does not depend on the size.

    Args:
        request: request with the body.
        path: path of the new file.
        limit: largest allowed size in bytes.

    Raises:
        RequestRefused: 413, too long; 408, too slow; 400, incomplete. The caller deletes the file.
    """
    size = 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as handle:
        async for piece in _pieces(request, limit):
            size += len(piece)
            handle.write(piece)
    stated = request.headers.get("content-length")
    if stated is not None and stated.isdigit() and int(stated) != size:
        raise parse_error()
    return size


async def _pieces(request: Request, limit: int) -> AsyncGenerator[bytes]:
    stated = request.headers.get("content-length", "0")
    if not stated.isdigit() or int(stated) > limit:
        raise too_large(limit)
    size = 0
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    stream = aiter(request.stream())
    while True:
        allowed = _GRACE_SECONDS + size / _SLOWEST_BYTES_PER_SECOND - (loop.time() - started_at)
        try:
            piece = await asyncio.wait_for(anext(stream, None), max(0.0, allowed))
        except TimeoutError:
            raise RequestRefused(
                408, "request_timeout", {"message": "the body came too slowly"}, {"Connection": "close"}
            ) from None
        if piece is None:
            return
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece


def parsed(model: type[_Body], body: bytes) -> _Body:
    """The request of a JSON body. Raises RequestRefused: 400, which names the fields and repeats no value."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid_model(error, "body") from None
