"""Every answer of the API that is an error, with Kazoo's short words where it has one."""

from collections.abc import Sequence
from typing import Any

from cdr_pipeline.errors import RequestRefused


def invalid(field: str, rule: str, message: str, *, cause: object = None, **more: object) -> RequestRefused:
    """400: a parameter is not what it should be; names the field, the rule and what was given."""
    fault: dict[str, Any] = {"message": message}
    if cause is not None:
        fault["cause"] = cause
    return RequestRefused(400, "validation error", {field: {rule: fault | more}})


def unknown_parameters(names: Sequence[str], known: Sequence[str]) -> RequestRefused:
    """400: names that mean nothing here, and those that do."""
    faults = {
        name: {"unknown": {"message": f"no such parameter here; there are: {', '.join(known)}"}} for name in names
    }
    return RequestRefused(400, "validation error", faults)


def bad_cursor() -> RequestRefused:
    """400: a key of a page that this server did not give for this search."""
    return RequestRefused(
        400,
        "bad_cursor",
        {"start_key": {"cursor": {"message": "pass next_start_key back as it came, with the same other parameters"}}},
    )


def conflicting_tokens() -> RequestRefused:
    """400: header and query name different tokens."""
    return RequestRefused(400, "conflicting_tokens", {"message": "the request carries two different tokens"})


def parse_error() -> RequestRefused:
    """400: the body is no JSON of the shape asked for."""
    return RequestRefused(400, "parse_error", {"message": "failed to parse request body"})


def unauthorized() -> RequestRefused:
    """401: no token, or none that opens anything; never says which."""
    return RequestRefused(
        401, "invalid_credentials", {"message": "invalid credentials"}, {"WWW-Authenticate": 'Bearer realm="cdr"'}
    )


def forbidden(scope: str) -> RequestRefused:
    """403: the token opens the account, but may not do this."""
    return RequestRefused(403, "forbidden", {"message": f"the token's scope does not include {scope}"})


def no_account(account_id: str) -> RequestRefused:
    """404: no such account, or none in the token's subtree; nobody learns which."""
    return RequestRefused(404, "bad_identifier", {"cause": account_id, "message": "bad identifier"})


def no_such(message: str, data: object | None = None) -> RequestRefused:
    """404: nothing of that id."""
    return RequestRefused(404, message, {} if data is None else data)


def not_acceptable(known: Sequence[str]) -> RequestRefused:
    """406: no form of the answer that the client takes."""
    return RequestRefused(406, "not_acceptable", {"message": f"there is: {', '.join(known)}"})


def conflict(said: str, message: str, **more: object) -> RequestRefused:
    """409: not now, or not this way."""
    return RequestRefused(409, said, {"message": message} | more)


def too_large(limit: int) -> RequestRefused:
    """413: the body is longer than what is taken."""
    return RequestRefused(413, "request_too_large", {"message": f"at most {limit} bytes are taken in one request"})


def unsupported(known: Sequence[str]) -> RequestRefused:
    """415: a body in a form that is not read."""
    return RequestRefused(
        415, "unsupported_media_type", {"message": f"the body may be: {', '.join(known)}"},
        {"Accept-Post": ", ".join(known)},
    )  # fmt: skip


def other_request() -> RequestRefused:
    """422: an Idempotency-Key that was used for another body."""
    return RequestRefused(
        422, "idempotency_mismatch", {"message": "this Idempotency-Key came with another request before"}
    )


def too_many(seconds: int) -> RequestRefused:
    """429: too fast; says when there is room again."""
    return RequestRefused(429, "too_many_requests", {"message": "too many requests"}, {"Retry-After": str(seconds)})
