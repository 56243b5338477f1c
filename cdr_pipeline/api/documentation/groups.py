"""Parts of the OpenAPI document that several routes share: errors, security, and the groups of routes."""

from typing import Any, Final

from cdr_pipeline.api import examples
from cdr_pipeline.api.models.envelopes import Envelope, ErrorBody
from cdr_pipeline.api.negotiation import ARROW, CSV_TYPES, JSON_LINES, XLSX
from cdr_pipeline.api.parameters import AcceptQuery, documented

Schema = dict[str, Any]
TEXT: Final[Schema] = {"type": "string"}
ERRORS: Final[dict[int, str]] = {
    400: "a parameter is invalid; data has the field and the rule",
    401: "the token is missing or invalid",
    403: "the scope of the token does not allow the request",
    404: "not found in the token's subtree",
    405: "the route does not have this method",
    406: "the client accepts none of the supported media types",
    408: "the body was sent too slowly",
    409: "conflict: the file is held or not ready, or a request with the same Idempotency-Key is in progress",
    410: "changes after the known one, or the file of an extract, are not kept any more",
    413: "the body is too long",
    414: "the URL is too long",
    415: "the media type of the body is not supported",
    422: "the Idempotency-Key was used for a different request",
    429: "too many requests; Retry-After has the seconds to wait",
    431: "the headers are too long",
    500: "internal error; the log has it under the request id",
    503: "the warehouse is not available; Retry-After has the seconds to wait",
    504: "the search took too long",
}
# Errors that say when to try again.
_RETRIED: Final = (409, 429, 503)
RETRY_AFTER: Final[Schema] = {
    "description": "seconds to wait before the next attempt; 409 has it only for a request in progress",
    "schema": {"type": "integer", "minimum": 1},
}
_EXAMPLE_ERROR: Final = {
    "data": {"created_from": {"date_range": {"message": "created_to 63 is prior to created_from 64", "cause": 64}}},
    "error": "400",
    "message": "validation error",
    "status": "error",
    **{key: value for key, value in examples.ENVELOPE.items() if key != "status"},
}
ACCEPT: Final = documented(AcceptQuery)[0]
SECURITY: Final[Schema] = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "query": {
        "type": "apiKey",
        "in": "query",
        "name": "auth_token",
        "description": "deprecated: URLs end up in logs and histories",
    },
}
TAGS: Final[list[Schema]] = [
    {"name": "tokens", "description": "Logins, and the token of a request."},
    {"name": "records", "description": "Call detail records: lists, details, legs, summaries."},
    {"name": "uploads", "description": "Files of records from other systems."},
    {"name": "extracts", "description": "Files of records of any period, made in the background."},
    {"name": "days and files", "description": "Days with their state, and daily files."},
    {"name": "breaks and decisions", "description": "Differences with carriers, decisions, seals and restatements."},
    {"name": "webhooks", "description": "Addresses that changes of an account are sent to."},
    {"name": "accounts", "description": "The tree of accounts."},
    {"name": "health", "description": "The state of the server."},
]
_ANY_TOKEN: Final = [{"token": []}, {"bearer": []}, {"query": []}]


class Group:
    """Part of the document that the routes of a group share.

    Args:
        model: model of a successful response; None for a file.
        parameters: parameters of the routes.
        example: example of the data.
        more: example of further keys of the envelope.
        codes: status codes of further errors.
        status: status code of a successful response.
        csv: whether the routes can respond with CSV.
        lines: whether the routes can respond with JSON lines, an Arrow stream or a workbook.
        extra: further keys of the operation.
    """

    def __init__(
        self,
        model: type[Envelope] | None,
        parameters: list[Schema],
        *,
        example: object,
        more: Schema | None = None,
        codes: tuple[int, ...] = (),
        status: int = 200,
        csv: bool = True,
        lines: bool = False,
        extra: Schema | None = None,
    ) -> None:
        self.status = status
        content: Schema = {"application/json": {"example": {"data": example} | examples.ENVELOPE | (more or {})}}
        if csv:
            content |= {media: {"schema": TEXT} for media in CSV_TYPES}
        if lines:
            content[JSON_LINES] = {"schema": TEXT}
            content |= {media: {"schema": {"type": "string", "format": "binary"}} for media in (ARROW, XLSX)}
            codes = (*codes, 413)
        self.responses: dict[int | str, dict[str, Any]] = {status: {"description": "done", "content": content}}
        if model is not None:
            self.responses[status]["model"] = model
        for code in sorted({400, 401, 404, 406, 414, 429, 431, 500, 503, 504} | set(codes)):
            self.responses[code] = {
                "description": ERRORS[code],
                "model": ErrorBody,
                "content": {"application/json": {"example": _EXAMPLE_ERROR}},
            }
            if code in _RETRIED:
                self.responses[code]["headers"] = {"Retry-After": RETRY_AFTER}
        self.extra: Schema = {"parameters": parameters, "security": _ANY_TOKEN} | (extra or {})


def body_of(schema: Schema, data: object) -> Schema:
    """A required JSON body with an example."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": {"data": data}}},
        }
    }


def described(group: Group) -> dict[str, Any]:
    """Keyword arguments for the decorator of a route."""
    return {"responses": group.responses, "openapi_extra": group.extra}


IDEMPOTENCY_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "a repeated request gets the first response for a day",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "example": "2026-11-23-carrier-1",
}
