"""Content of the OpenAPI document: parameters, response schemas, errors and examples for each group of routes."""

from typing import Any, Final

from cdr_pipeline.api import examples
from cdr_pipeline.api.filters import FILTERS
from cdr_pipeline.api.models.accounts import AccountAbove, AccountBody, AccountNode
from cdr_pipeline.api.models.breaks import BREAK_DECISION_SCHEMA, BreakBody, DecidedCarrierDay
from cdr_pipeline.api.models.days import DAY_ACT_SCHEMA, ActedDay, ChangeBody, DailyFileBody, DayBody
from cdr_pipeline.api.models.envelopes import ChangesEnvelope, Envelope, ErrorBody, PagedEnvelope, enveloped
from cdr_pipeline.api.models.logins import (
    LOGIN_SCHEMA,
    TOKEN_INFO_SCHEMA,
    USER_LOGIN_SCHEMA,
    LoginBody,
    LoginEnvelope,
    PortalApp,
    PortalUser,
)
from cdr_pipeline.api.models.records import InteractionRow, RecordDocument, RecordRow, Summary
from cdr_pipeline.api.models.tokens import ROTATION_SCHEMA, TOKEN_SCHEMA, ManagedToken, NewToken, TokenBody
from cdr_pipeline.api.models.uploads import DECISION_SCHEMA, RejectedLine, UploadResult, UploadState
from cdr_pipeline.api.models.webhooks import REPLAY_SCHEMA, WEBHOOK_SCHEMA, DeadLetterBody, NewWebhook, WebhookBody
from cdr_pipeline.api.negotiation import ARROW, CSV_TYPES, JSON_LINES, XLSX
from cdr_pipeline.api.parameters import (
    MOMENT,
    AcceptQuery,
    BreaksQuery,
    ChangesQuery,
    DaysQuery,
    ListQuery,
    PeriodQuery,
    StartQuery,
    UploadQuery,
    documented,
)
from cdr_pipeline.core.records.document import KNOWN_PATHS

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


def _query(name: str, description: str, example: str, schema: Schema | None = None) -> Schema:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema or TEXT,
        "example": example,
    }


ACCEPT: Final = documented(AcceptQuery)[0]
PERIOD: Final = documented(PeriodQuery)
KAZOO: Final = [
    _query("filter_hangup_cause", f"filter_KEY: text at a key of the document: {', '.join(KNOWN_PATHS)}", "NO_ANSWER"),
    _query(
        "filter_not_call_direction",
        "filter_not_KEY: records with a different value at a key of the document",
        "inbound",
    ),
    *(
        _query(
            name, f"{name.replace('_', ' ')} of the document", "user_agent", {"type": "string", "enum": ["user_agent"]}
        )
        for name in ("has_key", "key_missing", "has_value", "value_missing")
    ),
    _query(
        "filter_any_hangup_cause",
        "filter_any_KEY, filter_none_KEY: any or none of a JSON list at a key of the document",
        '["NO_ANSWER","USER_BUSY"]',
    ),
    _query(
        "filter_array_intersect_any_custom_channel_vars.media_names",
        "filter_array_intersect_all_KEY, _any_KEY, _none_KEY: a list at a key has all, any or none of a JSON list",
        '["first.mp3"]',
    ),
    _query("modified_from", "changed at or after this time", "63946000000", MOMENT),
    _query("modified_to", "changed at or before this time", "63946086400", MOMENT),
]
OURS: Final = [
    _query(name, f"{item.description}; repeated: any of them", item.example, item.schema)
    for name, item in FILTERS.items()
]
_PAGING: Final = documented(ListQuery, AcceptQuery)
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


_OPEN: Final[Schema] = {"security": []}


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


LIST: Final = Group(
    enveloped("Records", list[RecordRow], PagedEnvelope),
    [*PERIOD, *_PAGING, *OURS, *KAZOO],
    example=[examples.ROW],
    lines=True,
)
INTERACTIONS: Final = Group(
    enveloped("Interactions", list[InteractionRow], PagedEnvelope),
    LIST.extra["parameters"],
    example=[examples.INTERACTION],
    lines=True,
)
SUMMARY: Final = Group(
    enveloped("RecordSummary", Summary),
    [*PERIOD, ACCEPT, *OURS, *KAZOO],
    example={"inbound": {"pbx0.example": {"did_us": {"total": 61}}}},
)
DETAIL: Final = Group(enveloped("RecordDetail", RecordDocument), [ACCEPT], example=examples.DOCUMENT)
LEGS: Final = Group(enveloped("Legs", list[RecordDocument]), [ACCEPT], example=[examples.DOCUMENT])
ACCOUNT: Final = Group(enveloped("AccountDetail", AccountBody), [ACCEPT], example=examples.ACCOUNT)
ACCOUNTS: Final = Group(
    enveloped("Accounts", list[AccountNode], PagedEnvelope), [ACCEPT, *documented(StartQuery)], example=[examples.NODE]
)
TREE: Final = Group(enveloped("AccountTree", list[AccountAbove]), [ACCEPT], example=[{"id": "a1", "name": "Reseller"}])
NOTHING: Final = Group(enveloped("EmptyList", list[dict[str, Any]]), [ACCEPT], example=[])
PORTAL_USER: Final = Group(enveloped("OwnUser", PortalUser), [ACCEPT], example=examples.PORTAL_USER)
PORTAL_APPS: Final = Group(enveloped("PortalApps", list[PortalApp]), [ACCEPT], example=[examples.PORTAL_APP])
TOKEN: Final = Group(enveloped("TokenDetail", TokenBody), [ACCEPT], example=examples.TOKEN)
TOKENS: Final = Group(
    enveloped("ManagedTokens", list[ManagedToken]), [ACCEPT], example=[examples.MANAGED_TOKEN], codes=(403,)
)
NEW_TOKEN: Final = Group(
    enveloped("TokenCreated", NewToken),
    [],
    example=examples.CREATED_TOKEN,
    codes=(403, 408, 413),
    status=201,
    csv=False,
    extra=body_of(TOKEN_SCHEMA, {"scope": "read", "label": "billing", "days": 365}),
)
ROTATED_TOKEN: Final = Group(
    enveloped("TokenRotated", NewToken),
    [],
    example=examples.CREATED_TOKEN,
    codes=(403, 408, 413),
    status=201,
    csv=False,
    extra=body_of(ROTATION_SCHEMA, {"overlap_hours": 24}),
)
REVOKED_TOKEN: Final = Group(
    enveloped("TokenRevoked", ManagedToken), [ACCEPT], example=examples.MANAGED_TOKEN, codes=(403,)
)
WEBHOOKS: Final = Group(enveloped("Webhooks", list[WebhookBody]), [ACCEPT], example=[examples.WEBHOOK], codes=(403,))
WEBHOOK: Final = Group(enveloped("WebhookDetail", WebhookBody), [ACCEPT], example=examples.WEBHOOK, codes=(403,))
NEW_WEBHOOK: Final = Group(
    enveloped("WebhookCreated", NewWebhook),
    [],
    example=examples.NEW_WEBHOOK,
    codes=(403, 408, 409, 413),
    status=201,
    csv=False,
    extra=body_of(WEBHOOK_SCHEMA, {"url": "https://billing.example/cdr-changes", "kinds": ["sealed", "restated"]}),
)
ROTATED_WEBHOOK: Final = Group(
    enveloped("WebhookRotated", NewWebhook),
    [],
    example=examples.NEW_WEBHOOK,
    codes=(403, 408, 413),
    csv=False,
    extra=body_of(ROTATION_SCHEMA, {"overlap_hours": 24}),
)
REPLAYED_WEBHOOK: Final = Group(
    enveloped("WebhookReplayed", WebhookBody),
    [ACCEPT],
    example=examples.WEBHOOK,
    codes=(403, 408, 413),
    extra=body_of(REPLAY_SCHEMA, {"after": 40}),
)
DEAD_LETTERS: Final = Group(
    enveloped("DeadLetters", list[DeadLetterBody]), [ACCEPT], example=[examples.DEAD_LETTER], codes=(403,)
)
LOGIN: Final = Group(
    enveloped("Login", LoginBody, LoginEnvelope),
    [],
    example=examples.LOGIN,
    more=examples.NEW_TOKEN,
    codes=(408, 413, 415),
    status=201,
    csv=False,
    extra=_OPEN | body_of(LOGIN_SCHEMA, {"api_key": "0123456789abcdef"}),
)
USER_LOGIN: Final = Group(
    enveloped("UserLogin", LoginBody, LoginEnvelope),
    [],
    example=examples.LOGIN,
    more=examples.NEW_TOKEN,
    codes=(408, 413, 415),
    status=201,
    csv=False,
    extra=_OPEN
    | body_of(USER_LOGIN_SCHEMA, {"credentials": "5f4dcc3b5aa765d61d8327deb882cf99", "account_name": "Example"}),
)
TOKEN_INFO: Final = Group(
    enveloped("TokenInfo", LoginBody, LoginEnvelope),
    [
        {
            "name": "token", "in": "query", "required": True, "description": "the token",
            "schema": {"type": "string", "minLength": 1, "maxLength": 4_096}, "example": "8c6976e5b5410415",
        }
    ],
    example=examples.LOGIN,
    more=examples.NEW_TOKEN,
    csv=False,
    extra=_OPEN,
)  # fmt: skip
TOKEN_INFO_BODY: Final = Group(
    enveloped("PostedTokenInfo", LoginBody, LoginEnvelope),
    [],
    example=examples.LOGIN,
    more=examples.NEW_TOKEN,
    codes=(408, 413),
    csv=False,
    extra=_OPEN | body_of(TOKEN_INFO_SCHEMA, {"token": "8c6976e5b5410415"}),
)
IDEMPOTENCY_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "a repeated request gets the first response for a day",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "example": "2026-11-23-carrier-1",
}
UPLOAD: Final = Group(
    enveloped("Uploaded", UploadResult),
    [
        *documented(UploadQuery),
        ACCEPT,
        IDEMPOTENCY_KEY,
    ],
    example=examples.UPLOADED,
    codes=(403, 408, 409, 413, 415, 422),
    status=201,
    extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string", "minLength": 1},
                    "example": "caller,callee,start_time,duration\r\n100,200,2026-11-23T10:00:00Z,60\r\n",
                },
                "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
            },
        }
    },
)
UPLOAD.responses[200] = UPLOAD.responses[201] | {"description": "the file was imported before, or a dry run"}
UPLOAD.responses[202] = UPLOAD.responses[201] | {
    "description": "the file is landed and loaded in the background; Location has its state",
    "headers": {
        "Location": {"description": "path of the state of the upload", "schema": TEXT},
        "Retry-After": RETRY_AFTER,
    },
}
UPLOADS: Final = Group(enveloped("Uploads", list[UploadState]), [ACCEPT], example=[examples.UPLOAD])
UPLOAD_STATE: Final = Group(enveloped("UploadDetail", UploadState), [ACCEPT], example=examples.UPLOAD)
DECISION: Final = Group(
    enveloped("UploadDecided", UploadState),
    [ACCEPT],
    example=examples.UPLOAD,
    codes=(403, 408, 409, 413),
    extra=body_of(DECISION_SCHEMA, {"decision": "release"}),
)
CANCELLED: Final = Group(enveloped("UploadCancelled", UploadState), [ACCEPT], example=examples.UPLOAD, codes=(403, 409))
REJECTS: Final = Group(
    enveloped("Rejects", list[RejectedLine]),
    [ACCEPT],
    example=[examples.REJECT],
)
_DATES: Final = documented(DaysQuery)
DAYS: Final = Group(enveloped("Days", list[DayBody]), [*_DATES, ACCEPT], example=[examples.DAY])
DAY: Final = Group(enveloped("DayDetail", DayBody), [ACCEPT], example=examples.DAY)
EXPORTS: Final = Group(enveloped("Exports", list[DailyFileBody]), [*_DATES, ACCEPT], example=[examples.FILE])
BREAKS: Final = Group(
    enveloped("Breaks", list[BreakBody]), [*_DATES, *documented(BreaksQuery), ACCEPT], example=[examples.BREAK]
)
BREAK_DECISIONS: Final = Group(
    enveloped("BreaksDecided", list[DecidedCarrierDay]),
    [ACCEPT],
    example=[examples.DECIDED],
    codes=(403, 408, 409, 413),
    extra=body_of(
        BREAK_DECISION_SCHEMA,
        {"decision": "accepted", "reason": "agreed", "breaks": [{"id": examples.BREAK["id"], "decisions": 0}]},
    ),
)
ACT: Final = Group(
    enveloped("DayActed", ActedDay),
    [ACCEPT],
    example=examples.ACTED,
    codes=(403, 408, 409, 413),
    extra=body_of(DAY_ACT_SCHEMA, {"reason": "checked by phone"}),
)
CHANGES: Final = Group(
    enveloped("Changes", list[ChangeBody], ChangesEnvelope),
    [*documented(ChangesQuery), ACCEPT],
    example=[examples.CHANGE],
    more={"newest": 43},
    codes=(410,),
)
FILE: Final = Group(None, [], example=None, csv=False)
FILE.responses[200] = {
    "description": "the file",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
