"""What each error code of the API means, and the page that explains them, to which every error response links."""

import html
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fastapi.responses import HTMLResponse

from cdr_pipeline import errors

PATH: Final = "/docs/errors"
# Codes of refused requests, the value of ``message`` in a response: meaning, and what to do.
REFUSALS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "validation error": (
            "A parameter or a field of the body is missing, unknown or invalid; `data` names it and the rule.",
            "Correct the request.",
        ),
        "bad_cursor": (
            "`start_key` does not belong to this search.",
            "Pass `next_start_key` back unchanged, with the same other parameters.",
        ),
        "conflicting_tokens": ("The request carries two different tokens.", "Send one, in the header `X-Auth-Token`."),
        "parse_error": ("The body is not JSON of the expected shape, or it is cut off.", "Correct or repeat the body."),
        "invalid_credentials": (
            "The token, key or password is missing, wrong, expired or revoked.",
            "Log in again, or ask an operator for a token.",
        ),
        "forbidden": (
            "The token's scope or the user's role does not include the request.",
            "Use a token with the scope, or a user with the role, that `data` names.",
        ),
        "person_required": (
            "The request needs a person, and an API key names none.",
            "Get a token with name and password: `PUT /v2/user_auth`.",
        ),
        "bad_identifier": (
            "Nothing has this id, or the token does not open its account.",
            "Check the id and the account of the token: `GET /v2/token_auth`.",
        ),
        "bad identifier": ("The API key is unknown.", "Create a token: `cdr-pipeline tokens create`."),
        "could not find cdr with supplied id": ("No record has this id.", "Check the id."),
        "could not find legs for supplied id": ("No call or leg has this id.", "Check the id."),
        "utc_offset must be a number": ("`utc_offset` is not a number of seconds.", "Correct the parameter."),
        "not_found": ("The path does not exist.", "See `/docs` for all paths."),
        "invalid_method": ("The path does not have this method; the header `Allow` lists its methods.", "Use one."),
        "not_acceptable": (
            "The response does not exist in a media type of the header `Accept`.",
            "Accept one of the types that `data` lists.",
        ),
        "request_timeout": ("The body came too slowly.", "Send it again over a faster connection."),
        "idempotency_in_flight": (
            "A request with the same `Idempotency-Key` is running.",
            "Repeat the request after `Retry-After` seconds; it gets the same response.",
        ),
        "idempotency_mismatch": (
            "The `Idempotency-Key` was used for a different request within a day.",
            "Use a new key for a new request.",
        ),
        "upload_held": (
            "The file repeats records of another file, so nothing was loaded.",
            "Release or discard it: `PUT .../uploads/{upload_id}/decision`.",
        ),
        "upload_not_held": ("Only a held upload needs a decision; `data` has its state.", "None."),
        "upload_not_waiting": ("Only an upload that waits can be cancelled; `data` has its state.", "None."),
        "extract_not_ready": (
            "The file of the extract is not complete yet; `data` has its state.",
            "Ask again after `Retry-After` seconds.",
        ),
        "extract_failed": (
            "The file of the extract could not be made.",
            "`error` of `GET .../extracts/{extract_id}` has the cause and what to do.",
        ),
        "extracts_full": (
            "The files of extracts have as many bytes as the account may have.",
            "Delete extracts that are not needed any more, or wait until one expires.",
        ),
        "day_not_late": ("The final files of the day have all of its records.", "None."),
        "day_not_sealable": (
            "Obstacles block the seal; `data` lists them.",
            "Remove them, or seal with a reason as an approver.",
        ),
        "request_too_large": ("The body is longer than the limit that `data` names.", "Split or compress the file."),
        "too_many_rows": (
            "The list has more rows than a workbook may have.",
            "Choose a shorter period, or CSV, JSON lines or Arrow.",
        ),
        "uri_too_long": ("The URL is too long.", "Use fewer or shorter filters."),
        "headers_too_large": ("The headers are too large.", "Send fewer or smaller headers."),
        "unsupported_media_type": (
            "The media type of the body is missing or not supported; the header `Accept-Post` lists those that are.",
            "Set `Content-Type`.",
        ),
        "too_many_requests": (
            "The account, or failed logins of the address, have reached their limit.",
            "Wait `Retry-After` seconds; the headers `RateLimit` and `RateLimit-Policy` tell what is left.",
        ),
        "busy": ("Other requests have to end first.", "Repeat the request after `Retry-After` seconds."),
        "faulty_request": ("The request is not valid HTTP for this path.", "Correct the request."),
        "unspecified_fault": (
            "A fault of the server.",
            "Give an operator the `request_id`; the log has the error under it.",
        ),
    }
)


def explained() -> dict[str, tuple[str, str]]:
    """Meaning and next step of every code that a response can have, in the order of the codes."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CdrError)]
    of_product = {
        kind.code: (
            (kind.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ").replace("``", "`"),
            "Repeat the request later." if kind.retryable else "The `hint` in `data` has the next step.",
        )
        for kind in kinds
        if kind not in (errors.CdrError, errors.RequestRefused)
    }
    return dict(sorted((of_product | dict(REFUSALS)).items(), key=lambda item: anchor(item[0])))


def anchor(code: str) -> str:
    """Fragment of a code in the page."""
    return code.lower().replace(" ", "_")


def help_link(code: str) -> str:
    """Value of the header Link (RFC 8288) of a response with this code."""
    return f'<{PATH}#{anchor(code)}>; rel="help"'


async def show_errors() -> HTMLResponse:
    """All error codes with their meaning and next step."""
    parts = (
        f'<dt id="{anchor(code)}"><code>{html.escape(code)}</code></dt><dd>{_text(meaning)} {_text(step)}</dd>'
        for code, (meaning, step) in explained().items()
    )
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>Errors of the CDR API</title><h1>Errors of the CDR API</h1>"
        "<p>The code of an error is the value of <code>message</code> in its response.</p>"
        f"<dl>{''.join(parts)}</dl></html>"
    )


def _text(text: str) -> str:
    """Text as HTML; parts between backticks are code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
