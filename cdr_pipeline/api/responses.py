"""Response bodies as Pydantic models: the schemas of the OpenAPI document.

The envelope module writes bodies. Rows of records come from the warehouse as JSON and are not parsed again.
"""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from cdr_pipeline.warehouse.records.list_columns import NAMES, RESELLER_NAMES

_NUMBERS: Final = frozenset(("duration_seconds", "billing_seconds", "ringing_seconds"))
# An enumeration instead of a constant, which generated clients require in every value of a union.
_SECONDS: Final[dict[str, Any]] = {"anyOf": [{"type": "string", "enum": [""]}, {"type": "number", "minimum": 0}]}
# Any value, because the generator of Java clients makes code that does not compile of "an array or a text".
_RECORDINGS: Final[dict[str, Any]] = {
    "description": "names of recordings as an array, as on the switch; a text if the source delivered one",
    "example": [],
}
_Recordings = Annotated[list[str] | str, WithJsonSchema(_RECORDINGS)]
_Seconds = Annotated[Literal[""] | Annotated[float, Field(ge=0)], WithJsonSchema(_SECONDS)]


class Body(BaseModel):
    """A part of a response. Every key is described here; tests compare responses with the models."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class About(Body):
    """What every response says about itself."""

    request_id: str
    node: str
    version: str
    timestamp: datetime


class Envelope(About):
    """A successful response."""

    data: Any
    status: Literal["success"]


class PagedEnvelope(Envelope):
    """A successful response with a list in pages."""

    start_key: str | None = None
    next_start_key: str | None = None
    page_size: int | str | None = None


class ChangesEnvelope(Envelope):
    """A successful response with changes, and the number of the account's newest change."""

    newest: int


class ErrorBody(About):
    """An error: its status code, its title, and details in ``data``."""

    data: Any
    error: str = Field(pattern="^[45][0-9][0-9]$")
    message: str
    status: Literal["error"]


def enveloped(name: str, data: object, base: type[Envelope] = Envelope) -> type[Envelope]:
    """The model of a successful response.

    Args:
        name: name of the model, used by generated clients.
        data: type of ``data``.
        base: the envelope.
    """
    fields: dict[str, Any] = {"data": (data, ...)}
    return create_model(name, __base__=base, **fields)


def _column(name: str) -> object:
    if name in _NUMBERS:
        return _Seconds
    return _Recordings if name == "media_recordings" else str


# Only tokens of an account above get the columns of resellers.
_columns: dict[str, Any] = {
    name: (_column(name), ... if name in NAMES else Field(default="")) for name in RESELLER_NAMES
}
# A row of a list of records; its columns are those of the list.
RecordRow: Final = create_model("RecordRow", __base__=Body, **_columns)

_first_leg: dict[str, Any] = {"inception_direction": (str, ...)}
# A row of a list of interactions: the first leg of each.
InteractionRow: Final = create_model("InteractionRow", __base__=RecordRow, **_first_leg)


class RecordDocument(BaseModel):
    """Detail document of a record, with the keys that its source delivered."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    timestamp: int


class Readiness(BaseModel):
    """State of the server: ok, or the code of the error."""

    status: str


class AccountBody(Body):
    """An account."""

    id: str
    name: str
    realm: str = ""
    timezone: str


class AccountNode(Body):
    """An account in a list of accounts below another one."""

    id: str
    name: str
    realm: str = ""
    tree: list[str]
    timezone: str


class AccountAbove(Body):
    """An account above another one."""

    id: str
    name: str


class TokenBody(Body):
    """A token without its secret."""

    account_id: str
    token_id: str
    scope: str
    expires_at: datetime


class ManagedToken(Body):
    """A token in the list of an account's tokens."""

    account_id: str
    token_id: str
    scope: str
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewToken(Body):
    """A new token; ``token`` is shown only now."""

    token: str
    token_id: str
    expires_at: datetime


class TokenWish(BaseModel):
    """A token to create."""

    scope: Literal["read", "upload", "admin"] = "read"
    label: str = Field(default="", max_length=100)
    days: int = Field(default=365, ge=1, le=3_650)


class TokenWishRequest(BaseModel):
    """Body of a request that creates a token."""

    data: TokenWish


class Rotation(BaseModel):
    """How long the old token stays valid next to the new one."""

    overlap_hours: int = Field(default=24, ge=0, le=24 * 90)


class RotationRequest(BaseModel):
    """Body of a request that replaces a token."""

    data: Rotation = Rotation()


class WebhookBody(Body):
    """A webhook: what is sent where, and how far it is. ``next_attempt_at`` is set while an attempt is repeated."""

    webhook_id: str
    account_id: str
    url: str
    kinds: list[str]
    label: str
    state: Literal["working", "failing", "stopped"]
    position: int
    attempts: int
    dead_letters: int
    created_at: datetime
    delivered_at: datetime | None
    next_attempt_at: datetime | None
    error: str | None


class NewWebhook(WebhookBody):
    """A webhook with the key of its signatures, which is shown only now."""

    secret: str


class DeadLetterBody(Body):
    """A change that could not be sent."""

    change: int
    body: dict[str, Any]
    attempts: int
    error: str
    failed_at: datetime
    replay: bool


class WebhookWish(BaseModel):
    """A webhook to register."""

    url: str = Field(min_length=1, max_length=2_000, description="https address of the receiver")
    kinds: list[Literal["records", "sealed", "restated", "reconciled", "decided"]] = Field(
        default=[], max_length=5, description="kinds of changes; none for all"
    )
    label: str = Field(default="", max_length=100)
    after: int | None = Field(
        default=None, ge=0, le=2**62, description="number of the change after which it begins; default: the newest"
    )


class WebhookWishRequest(BaseModel):
    """Body of a request that registers a webhook."""

    data: WebhookWish


class Replay(BaseModel):
    """From where a webhook is sent to again."""

    after: int | None = Field(
        default=None, ge=0, le=2**62, description="also all changes after this number; default: dead letters only"
    )


class WebhookReplayRequest(BaseModel):
    """Body of a request that replays a webhook."""

    data: Replay = Replay()


class LoginBody(Body):
    """Account and scope of a new token, and the keys that clients of a switch read."""

    account_id: str
    account_name: str
    scope: str
    owner_id: str | None
    reseller_id: str
    is_reseller: bool
    language: str = "en-us"
    apps: list[str] = []


class LoginEnvelope(Envelope):
    """A successful response with the new token."""

    auth_token: str


class PortalUser(Body):
    """The user of a token, with the keys that portals of a switch read."""

    id: str
    username: str
    first_name: str
    last_name: str
    enabled: bool
    priv_level: Literal["admin", "user"]
    timezone: str


class PortalApp(Body):
    """An app of Monster UI."""

    id: str
    name: str
    i18n: dict[str, dict[str, str]]
    allowed_users: Literal["all"] = "all"
    users: list[str] = []


class KnownToken(BaseModel):
    """A token."""

    token: str = Field(min_length=1, max_length=4_096)


class TokenInfoRequest(BaseModel):
    """Body of a request about a token."""

    data: KnownToken


class LoginKey(BaseModel):
    """An API key."""

    api_key: str = Field(min_length=1, max_length=4_096)


class LoginRequest(BaseModel):
    """Body of a login."""

    data: LoginKey


TOKEN_SCHEMA: Final = {"type": "object", "required": ["data"], "properties": {"data": TokenWish.model_json_schema()}}
ROTATION_SCHEMA: Final = {"type": "object", "properties": {"data": Rotation.model_json_schema()}}
WEBHOOK_SCHEMA: Final = {
    "type": "object", "required": ["data"], "properties": {"data": WebhookWish.model_json_schema()},
}  # fmt: skip
REPLAY_SCHEMA: Final = {"type": "object", "properties": {"data": Replay.model_json_schema()}}
# An empty name is none: the schemas state it as the default.
_NAME: Final = r"^[^\x00]{0,300}$"


class UserLogin(BaseModel):
    """Name and password as one digest, and name or realm of the account."""

    credentials: str = Field(
        pattern="^([0-9a-fA-F]{32}|[0-9a-fA-F]{40})$",
        description='MD5 or SHA-1 of "name:password", in hexadecimal digits',
    )
    account_name: str = Field(default="", pattern=_NAME)
    account_realm: str = Field(default="", pattern=_NAME)
    realm: str = Field(default="", pattern=_NAME, description="the same as account_realm")
    method: Literal["md5", "sha"] | None = None


class UserLoginRequest(BaseModel):
    """Body of a login with name and password."""

    data: UserLogin


# Schema without references, so that it needs no component of its own.
LOGIN_SCHEMA: Final = LoginRequest.model_json_schema() | {"properties": {"data": LoginKey.model_json_schema()}}
LOGIN_SCHEMA.pop("$defs")
TOKEN_INFO_SCHEMA: Final = {
    "type": "object", "required": ["data"], "properties": {"data": KnownToken.model_json_schema()},
}  # fmt: skip
_NAMED: Final = [
    {"required": [name], "properties": {name: {"minLength": 1}}} for name in ("account_name", "account_realm", "realm")
]
USER_LOGIN_SCHEMA: Final = UserLoginRequest.model_json_schema() | {
    "properties": {"data": UserLogin.model_json_schema() | {"anyOf": _NAMED}}
}
USER_LOGIN_SCHEMA.pop("$defs")


class CountsBody(Body):
    """Lines of an upload by result."""

    read: int
    inserted: int
    updated: int
    unchanged: int
    duplicate: int
    rejected: int
    filtered: int


class UploadResult(Body):
    """Result of an upload or a dry run."""

    state: str
    upload_id: str | None = None
    origin: str | None = None
    profile: str | None = None
    bytes: int | None = None
    days: list[date] | None = None
    overlap_rows: int | None = None
    other_calls: int | None = None
    counts: CountsBody | None = None
    reject_reasons: dict[str, int] | None = None
    filtered_reasons: dict[str, int] | None = None


class UploadState(Body):
    """An upload in the list of uploads; the row counts are null until it is loaded."""

    upload_id: str
    origin: str
    profile: str
    time_zone: str | None
    file_name: str
    state: str
    received_at: datetime
    corrects: str | None
    overlap_rows: int | None
    other_calls: int | None
    error_code: str | None
    rows_read: int | None
    rows_inserted: int | None
    rows_updated: int | None
    rows_rejected: int | None


Decision = Literal["release", "discard"]


class UploadDecision(BaseModel):
    """Decision about a held upload."""

    decision: Decision


class DecisionRequest(BaseModel):
    """Body of a request that decides about a held upload."""

    data: UploadDecision


# Schema without references, as that of a login.
DECISION_SCHEMA: Final = DecisionRequest.model_json_schema() | {
    "properties": {"data": UploadDecision.model_json_schema()}
}
DECISION_SCHEMA.pop("$defs")


class RejectedLine(Body):
    """A rejected line of an upload."""

    line: int
    field: str
    reason: str
    raw: str
    detail: str | None


class RecordsOfDay(Body):
    """Records of a day by origin."""

    api: int
    imported: int


class ReconciliationOfDay(Body):
    """Reconciliation of a day; the exposure is exact text."""

    status: str
    breaks: int
    exposure: str


class DayBody(Body):
    """State of a business date."""

    business_date: date
    state: str
    complete_through: datetime | None
    changed_at: datetime | None
    exported_at: datetime | None
    records: RecordsOfDay
    volume: str | None
    failed_windows: int
    reconciliation: ReconciliationOfDay


class BreakSide(Body):
    """One side of a break as it was delivered; amounts and seconds are exact text."""

    record_id: str
    call_id: str | None
    started_at: datetime | None
    seconds: str | None
    amount: str | None


class BreakBody(Body):
    """A difference between switch and carrier. ``exposure`` is what the carrier charges too much; exact text.

    ``decisions`` is the number of decisions so far, which a new decision repeats.
    """

    id: str
    business_date: date
    carrier: str
    kind: str
    cause: str | None
    detail: str | None
    ambiguous: bool
    destination: str
    exposure: str
    currency: str
    expected_amount: str | None
    state: str
    decisions: int
    decided_by: str | None
    reason: str | None
    credit_note: str | None
    assignee: str | None
    switch: BreakSide | None
    carrier_side: BreakSide | None


class ListedBreak(BaseModel):
    """A break as the client knows it."""

    id: str = Field(pattern="^[0-9a-f]{10,64}$")
    decisions: int = Field(ge=0, le=1_000_000)


class BreakDecision(BaseModel):
    """A decision about breaks, all or none."""

    decision: Literal["accepted", "disputed", "open"]
    reason: str = Field(min_length=1, max_length=1_000)
    breaks: list[ListedBreak] = Field(min_length=1, max_length=10_000)


class BreakDecisionRequest(BaseModel):
    """Body of a request that decides breaks."""

    data: BreakDecision


class DayAct(BaseModel):
    """Why a day is sealed in spite of obstacles, or restated."""

    reason: str = Field(default="", max_length=1_000)


class DayActRequest(BaseModel):
    """Body of a request that seals or restates a day."""

    data: DayAct


# Schemas without references, as that of a login.
BREAK_DECISION_SCHEMA: Final = BreakDecisionRequest.model_json_schema() | {
    "properties": {
        "data": BreakDecision.model_json_schema()
        | {
            "properties": BreakDecision.model_json_schema()["properties"]
            | {"breaks": {"type": "array", "minItems": 1, "maxItems": 10_000, "items": ListedBreak.model_json_schema()}}
        }
    }
}
BREAK_DECISION_SCHEMA.pop("$defs")
BREAK_DECISION_SCHEMA["properties"]["data"].pop("$defs")
DAY_ACT_SCHEMA: Final = DayActRequest.model_json_schema() | {"properties": {"data": DayAct.model_json_schema()}}
DAY_ACT_SCHEMA.pop("$defs")


class ActedDay(Body):
    """A day after a seal or a restatement; ``asked``: a second person must confirm it in the console."""

    account_id: str
    business_date: date
    outcome: Literal["sealed", "already", "restated", "unchanged", "asked"]


class DecidedCarrierDay(Body):
    """A carrier's day after decisions."""

    business_date: date
    carrier: str
    open_breaks: int
    light: str


class ChangeBody(Body):
    """What happened to a day of an account; ``details`` depend on the kind."""

    change: int
    kind: Literal["records", "sealed", "restated", "reconciled", "decided"]
    business_date: date | None
    happened_at: datetime
    details: dict[str, Any]


class DailyFileBody(Body):
    """A daily file with its manifest."""

    id: str
    business_date: date
    version: int
    dialect: str
    file_name: str
    sha256: str
    bytes: int
    rows: int
    written_at: datetime
    manifest: dict[str, Any] | None


# Direction, far side, kind of number, rate: seconds.
Summary = dict[str, dict[str, dict[str, dict[str, int]]]]
