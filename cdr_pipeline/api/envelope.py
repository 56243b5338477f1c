"""The envelope around every JSON answer, in the shapes of v1 and v2, and the stream of a list."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

import orjson
from fastapi.responses import Response

from cdr_pipeline.errors import CdrError, RequestRefused
from cdr_pipeline.privacy.redaction import redact

# The version of the switch's API that is spoken, which its clients look at; not that of this program.
_SPOKEN: Final = "4.3.0"
JSON: Final = "application/json"
_SERVER_ERROR: Final = 500
# What is away comes back within seconds, or after a person has looked.
_RETRY_SECONDS: Final = "5"


def success(data: object, request_id: str, **more: object) -> bytes:
    """An answer in one piece."""
    return orjson.dumps({"data": data} | more | _trailer(request_id))


def list_end(request_id: str, *, keys: Mapping[str, str | None]) -> bytes:
    """What follows the rows of a list: the keys of paging that are not empty, all as text, then the rest."""
    named = {name: value for name, value in keys.items() if value is not None}
    return orjson.dumps(named | _trailer(request_id))[1:]


def listed(rows: list[str], request_id: str, *, keys: Mapping[str, str | None]) -> bytes:
    """A page; an empty one is the plain envelope, as the switch has it."""
    if not rows:
        return success([], request_id)
    return f'{{"data":[{",".join(rows)}],'.encode() + list_end(request_id, keys=keys)


def error_response(error: CdrError, request_id: str, version: str) -> Response:
    """An error in the shape of the version: v1 shows the bare text where v2 has an object with a message."""
    status, said, data, headers = _parts(error)
    body = {
        "data": bare_messages(data) if version == "v1" else data,
        "error": str(status),
        "message": said,
        "status": "error",
    } | _about(request_id)
    return Response(orjson.dumps(body, default=str), status, dict(headers), media_type=JSON)


def bare_messages(data: object) -> object:
    """Every object with a message, at any depth, as its message."""
    if not isinstance(data, dict):
        return data
    found = cast("dict[str, Any]", data)
    if "message" in found:
        return found["message"]
    return {key: bare_messages(value) for key, value in found.items()}


def _parts(error: CdrError) -> tuple[int, str, object, Mapping[str, str]]:
    if isinstance(error, RequestRefused):
        return error.status, error.said, error.data, error.headers
    # What failed within is for the log; outside, the code and what to do.
    data = {"message": error.code.replace("_", " ")}
    if error.http_status < _SERVER_ERROR:
        data = {"message": redact(error.message), "hint": redact(error.hint)}
    headers = {"Retry-After": _RETRY_SECONDS} if error.http_status == 503 else {}  # noqa: PLR2004 - away
    return error.http_status, error.code, data, headers


def _trailer(request_id: str) -> dict[str, str]:
    return {"status": "success"} | _about(request_id)


def _about(request_id: str) -> dict[str, str]:
    return {
        "request_id": request_id,
        "node": "cdr_pipeline",
        "version": _SPOKEN,
        "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
