"""Error responses of the API. Titles are those of Kazoo where it has one."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from cdr_pipeline.errors import RequestRefused


def invalid(field: str, rule: str, message: str, *, cause: object = None, **more: object) -> RequestRefused:
    """400: a parameter is invalid; names the field, the rule and, as the cause, the value."""
    fault: dict[str, Any] = {"message": message}
    if cause is not None:
        fault["cause"] = cause
    return RequestRefused(400, "validation error", {field: {rule: fault | more}})


def invalid_request(faults: Sequence[Mapping[str, Any]]) -> RequestRefused:
    """Response to faults that validation found, each with ``loc``, ``type`` and ``msg`` as Pydantic reports them.

    404 if all are about ids in the path; otherwise 400 with name and rule of each parameter. Values are not repeated.
    """
    named = [fault for fault in faults if fault["loc"][:1] != ("path",)]
    if not named:
        return no_such("bad_identifier")
    data: dict[str, Any] = {}
    for fault in named:
        where = [str(part) for part in fault["loc"]]
        name = ".".join(where[1:] or where)
        data.setdefault(name, {})[fault["type"]] = {"message": fault["msg"]}
    return RequestRefused(400, "validation error", data)


def invalid_model(error: ValidationError, where: str) -> RequestRefused:
    """400: what does not fit a model; ``where`` is its part of the request. Names the fields and repeats no value."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return invalid_request([{**fault, "loc": (where, *fault["loc"])} for fault in faults])


def unknown_parameters(names: Sequence[str], known: Sequence[str]) -> RequestRefused:
    """400: parameters that the route does not have; lists those that it has."""
    faults = {
        name: {"unknown": {"message": f"no such parameter here; there are: {', '.join(known)}"}} for name in names
    }
    return RequestRefused(400, "validation error", faults)


def bad_cursor() -> RequestRefused:
    """400: a page key that no server of this warehouse issued for this search."""
    return RequestRefused(
        400,
        "bad_cursor",
        {"start_key": {"cursor": {"message": "pass next_start_key back as it came, with the same other parameters"}}},
    )


def conflicting_tokens() -> RequestRefused:
    """400: the request contains different tokens."""
    return RequestRefused(400, "conflicting_tokens", {"message": "the request carries two different tokens"})


def parse_error() -> RequestRefused:
    """400: the body is not JSON of the expected shape, or incomplete."""
    return RequestRefused(400, "parse_error", {"message": "failed to parse request body"})


def unauthorized() -> RequestRefused:
    """401: the token is missing or invalid. The response does not distinguish the two."""
    return RequestRefused(
        401, "invalid_credentials", {"message": "invalid credentials"}, {"WWW-Authenticate": 'Bearer realm="cdr"'}
    )


def forbidden(scope: str) -> RequestRefused:
    """403: the token has access to the account, but its scope does not allow the request."""
    return RequestRefused(403, "forbidden", {"message": f"the token's scope does not include {scope}"})


def no_person() -> RequestRefused:
    """403: the act needs a person, and the token names none."""
    return RequestRefused(
        403,
        "person_required",
        {"message": "a decision needs a person: request the token with name and password (PUT /v2/user_auth)"},
    )


def role_required(permission: str) -> RequestRefused:
    """403: the role of the user does not include the permission."""
    return RequestRefused(403, "forbidden", {"message": f"the role of the user does not include {permission}"})


def no_account(account_id: str) -> RequestRefused:
    """404: the account does not exist or is not in the token's subtree. The response does not distinguish the two."""
    return RequestRefused(404, "bad_identifier", {"cause": account_id, "message": "bad identifier"})


def no_such(message: str, data: object | None = None) -> RequestRefused:
    """404: there is nothing with this id."""
    return RequestRefused(404, message, {} if data is None else data)


def not_acceptable(known: Sequence[str]) -> RequestRefused:
    """406: the client accepts none of the supported media types."""
    return RequestRefused(406, "not_acceptable", {"message": f"there is: {', '.join(known)}"})


def in_flight(seconds: int) -> RequestRefused:
    """409: a request with the same Idempotency-Key is running; Retry-After has the seconds to wait."""
    return RequestRefused(
        409, "idempotency_in_flight", {"message": "a request with this Idempotency-Key is in progress"},
        {"Retry-After": str(seconds)},
    )  # fmt: skip


def conflict(title: str, message: str, *, retry_seconds: int | None = None, **more: object) -> RequestRefused:
    """409: the request conflicts with the current state; Retry-After has the seconds after which that may change."""
    headers = {} if retry_seconds is None else {"Retry-After": str(retry_seconds)}
    return RequestRefused(409, title, {"message": message} | more, headers)


def too_large(limit: int) -> RequestRefused:
    """413: the body is longer than the limit in bytes."""
    return RequestRefused(413, "request_too_large", {"message": f"a request may have at most {limit} bytes"})


def too_many_rows(limit: int) -> RequestRefused:
    """413: the list has more rows than a workbook may have."""
    return RequestRefused(413, "too_many_rows", {"message": f"a workbook may have at most {limit} rows"})


def unsupported(known: Sequence[str]) -> RequestRefused:
    """415: the media type of the body is not supported."""
    return RequestRefused(
        415, "unsupported_media_type", {"message": f"the body may be: {', '.join(known)}"},
        {"Accept-Post": ", ".join(known)},
    )  # fmt: skip


def other_request() -> RequestRefused:
    """422: the Idempotency-Key was used for a different request."""
    return RequestRefused(
        422, "idempotency_mismatch", {"message": "this Idempotency-Key was used for a different request before"}
    )


def too_many(seconds: int, message: str = "too many requests") -> RequestRefused:
    """429: too many requests; Retry-After has the seconds to wait."""
    return RequestRefused(429, "too_many_requests", {"message": message}, {"Retry-After": str(seconds)})


def busy(message: str, seconds: int) -> RequestRefused:
    """503: other requests have to end first; Retry-After has the seconds to wait."""
    return RequestRefused(503, "busy", {"message": message}, {"Retry-After": str(seconds)})
