"""The JSON envelope of responses and errors, in the shapes of v1 and v2."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

import orjson
from fastapi.responses import Response

from cdr_pipeline.api.error_pages import help_link
from cdr_pipeline.errors import CdrError, RequestRefused
from cdr_pipeline.privacy.redaction import redact

# Version of the switch's API that this API implements. Clients check it. It is not the version of this program.
_API_VERSION: Final = "4.3.0"
JSON: Final = "application/json"
_SERVER_ERROR: Final = 500
# Value of Retry-After for 503.
_RETRY_SECONDS: Final = "5"


def success(data: object, request_id: str, **more: object) -> bytes:
    """A complete response body."""
    return orjson.dumps({"data": data} | more | _trailer(request_id))


def list_end(request_id: str, *, keys: Mapping[str, str | None]) -> bytes:
    """The end of a list after its rows: paging keys that are not null, as text, and the rest of the envelope."""
    paging = {name: value for name, value in keys.items() if value is not None}
    return orjson.dumps(paging | _trailer(request_id))[1:]


def listed(rows: list[str], request_id: str, *, keys: Mapping[str, str | None]) -> bytes:
    """A page of rows that are JSON already. An empty page has no paging keys, as on the switch."""
    if not rows:
        return success([], request_id)
    return f'{{"data":[{",".join(rows)}],'.encode() + list_end(request_id, keys=keys)


def error_response(error: CdrError, request_id: str, version: str) -> Response:
    """An error in the shape of the version. Where v2 has an object with a message, v1 has the text of the message.

    The header Link leads to the meaning of the error's code.
    """
    status, title, data, headers = _parts(error)
    body = {
        "data": bare_messages(data) if version == "v1" else data,
        "error": str(status),
        "message": title,
        "status": "error",
    } | _about(request_id)
    return Response(
        orjson.dumps(body, default=str), status, {"Link": help_link(title)} | dict(headers), media_type=JSON
    )


def bare_messages(data: object) -> object:
    """Replaces every object that has a message, at any depth, with its message."""
    if not isinstance(data, dict):
        return data
    node = cast("dict[str, Any]", data)
    if "message" in node:
        return node["message"]
    return {key: bare_messages(value) for key, value in node.items()}


def _parts(error: CdrError) -> tuple[int, str, object, Mapping[str, str]]:
    if isinstance(error, RequestRefused):
        return error.status, error.title, error.data, error.headers
    # Details of internal errors go to the log only. Client errors return their message and hint.
    data = {"message": error.code.replace("_", " ")}
    if error.http_status < _SERVER_ERROR:
        data = {"message": redact(error.message), "hint": redact(error.hint)}
    headers = {"Retry-After": _RETRY_SECONDS} if error.http_status == 503 else {}  # noqa: PLR2004 - unavailable
    return error.http_status, error.code, data, headers


def _trailer(request_id: str) -> dict[str, str]:
    return {"status": "success"} | _about(request_id)


def _about(request_id: str) -> dict[str, str]:
    return {
        "request_id": request_id,
        "node": "cdr_pipeline",
        "version": _API_VERSION,
        "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
