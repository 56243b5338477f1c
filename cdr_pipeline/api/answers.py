"""Responses in the form that the client accepts: JSON in the envelope, or CSV as an attachment."""

from collections.abc import AsyncGenerator
from typing import Final

import orjson
from anyio import to_thread
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from cdr_pipeline.api.csv_body import attachment, csv_of
from cdr_pipeline.api.envelope import JSON, list_end, success
from cdr_pipeline.api.negotiation import CSV_TYPES, JSON_LINES, XLSX, media_type
from cdr_pipeline.api.parameters import refuse_unknown
from cdr_pipeline.api.refusals import too_many_rows
from cdr_pipeline.exports.record_lists import MOST_SHEET_ROWS, ListWriter, TooManyRows

# Query parameters that every route accepts. jQuery appends "_" with a new value to defeat caches; it means nothing.
COMMON_PARAMETERS: Final = frozenset(("auth_token", "accept", "file_name", "pretty_print", "_"))


def response_type(request: Request, known: frozenset[str] | None = COMMON_PARAMETERS, *, lines: bool = False) -> str:
    """Media type of the response.

    Args:
        request: the request.
        known: parameters of the route, common ones included; None if the route checks them itself.
        lines: whether the route is a list of records, which has more forms.

    Raises:
        RequestRefused: 406; 400, unknown parameters.
    """
    if known is not None:
        refuse_unknown(request, sorted(set(request.query_params) - known), known)
    # Several Accept headers form one list.
    accept = ",".join(request.headers.getlist("accept")) or None
    return media_type(accept, request.query_params.get("accept"), lines=lines)


def request_id(request: Request) -> str:
    """Id of the request in the log and in the response."""
    return str(request.state.request_id)


def answer(request: Request, media: str, data: object, *, status: int = 200, name: str = "cdr") -> Response:
    """A complete response with data as JSON or CSV."""
    if media in CSV_TYPES:
        return Response(csv_of(data), status, _file_headers(request, name), media_type=_typed(media))
    return json_answer(request, success(data, request_id(request)), status=status)


def json_answer(request: Request, body: bytes, *, status: int = 200) -> Response:
    """A complete response with a JSON body, indented if the request has Kazoo's ``pretty_print=true``."""
    if request.query_params.get("pretty_print") == "true":
        body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
    return Response(body, status, media_type=JSON)


async def csv_stream(request: Request, media: str, pieces: AsyncGenerator[bytes], name: str) -> Response:
    """A CSV download. Awaits the first piece before it sends headers, so that an early error gets its own status."""
    first = await anext(pieces, b"")
    return StreamingResponse(
        _chained(first, pieces), headers=_file_headers(request, name), media_type=_typed(media)
    )  # fmt: skip


async def json_stream(request: Request, pieces: AsyncGenerator[bytes]) -> Response:
    """A list without pages. An error in the middle breaks the connection, so that no client takes it for complete."""
    first = await anext(pieces, b"")
    ending = b"]," + list_end(request_id(request), keys={})

    async def body() -> AsyncGenerator[bytes]:
        yield b'{"data":['
        separator = b""
        async for piece in _chained(first, pieces):
            if piece:
                yield separator + piece[:-1].replace(b"\n", b",")
                separator = b","
        yield ending

    return StreamingResponse(body(), media_type=JSON)


async def lines_stream(pieces: AsyncGenerator[bytes]) -> Response:
    """A list without pages as JSON lines. An error in the middle breaks the connection."""
    first = await anext(pieces, b"")
    return StreamingResponse(_chained(first, pieces), media_type=JSON_LINES)


async def written_stream(request: Request, media: str, writer: ListWriter, pieces: AsyncGenerator[bytes]) -> Response:
    """A download that a writer makes of a list's CSV. A workbook is complete before its first byte is sent.

    Raises:
        RequestRefused: 413, the list has more rows than a workbook may have.
    """
    suffix = ".xlsx" if media == XLSX else ".arrow"
    written = _written(writer, pieces)
    try:
        first = await anext(written, b"")
    except TooManyRows:
        raise too_many_rows(MOST_SHEET_ROWS) from None
    return StreamingResponse(_chained(first, written), headers=_file_headers(request, "cdrs", suffix), media_type=media)


async def _written(writer: ListWriter, pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    try:
        async for piece in _chained(b"", pieces):
            if piece and (part := await to_thread.run_sync(writer.add, piece)):
                yield part
        rest = writer.end()
        while part := await to_thread.run_sync(next, rest, b""):
            yield part
    finally:
        writer.close()


async def _chained(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()


def _file_headers(request: Request, name: str, suffix: str = ".csv") -> dict[str, str]:
    file_name = request.headers.get("x-file-name") or request.query_params.get("file_name")
    return {"Content-Disposition": attachment(file_name, name, suffix)}


def _typed(media: str) -> str:
    return media if media == "application/octet-stream" else f"{media}; charset=utf-8; header=present"
