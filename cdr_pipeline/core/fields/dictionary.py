"""The field dictionary: the one definition of every field of a CDR.

The schema of the canonical frame, the Pandera checks, the columns of the daily CSV, the column list of the warehouse
and the output of ``cdr-pipeline fields`` are all generated from ``FIELDS``. A field has its name in the two tables of
the Kazoo CDR API (2017 page), or the standard term of telephony when that page does not have it. Append new exported
fields at the end: the order here is the order of the columns in the daily files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl


class Kind(StrEnum):
    """Type of a field. The value is the PostgreSQL type of its column."""

    TEXT = "text"
    SECONDS = "numeric(12,3)"
    MONEY = "numeric(18,8)"
    INSTANT = "timestamptz"
    DATE = "date"
    FLAG = "boolean"
    PORT = "integer"

    @property
    def dtype(self) -> "pl.DataType":
        """Polars type in the canonical frame."""
        return _dtypes()[self]


@cache
def _dtypes() -> "dict[Kind, pl.DataType]":
    import polars as pl  # noqa: PLC0415 - slow to import, and names and privacy classes do not need it

    return {
        Kind.TEXT: pl.String(),
        Kind.SECONDS: pl.Decimal(12, 3),
        Kind.MONEY: pl.Decimal(18, 8),
        Kind.INSTANT: pl.Datetime("us", "UTC"),
        Kind.DATE: pl.Date(),
        Kind.FLAG: pl.Boolean(),
        Kind.PORT: pl.Int32(),
    }


class Privacy(StrEnum):
    """Class of personal data in a field. It decides what redacted files show and what masking and erasure remove.

    | class | holds | ``redacted`` files | masking and erasure | erasure looks there |
    |---|---|---|---|---|
    | NUMBER | telephone number | keyed hash | last four characters replaced | yes |
    | DIGITS | keys that were pressed, PINs included | left out | last four characters replaced | yes |
    | NAME | name of a person | left out | emptied | yes |
    | SIP_ADDRESS | SIP user, URI or anything of that form | left out | last four characters replaced | yes |
    | NETWORK_ADDRESS | address or port of a person's device | left out | emptied | no |
    | MEDIA | session descriptions and recordings | left out | emptied | yes |
    | FREE_TEXT | text that a device or person chose | left out | emptied | yes |
    | IDENTIFIER | id of a call, user or device | keyed hash | kept | no |
    | NONE | nothing about a person | kept | kept | no |

    A new class needs a case in ``redaction`` and in ``masking``, and a decision in ``is_searched_for_erasure``.
    """

    NUMBER = "number"
    DIGITS = "digits"
    NAME = "name"
    SIP_ADDRESS = "SIP address"
    NETWORK_ADDRESS = "network address"
    MEDIA = "media"
    FREE_TEXT = "free text"
    IDENTIFIER = "identifier"
    NONE = "none"

    @property
    def redaction(self) -> "Redaction":
        """What a ``redacted`` file shows of fields of this class."""
        match self:
            case Privacy.NUMBER | Privacy.IDENTIFIER:
                return Redaction.HASH
            case Privacy.NONE:
                return Redaction.KEEP
            case (
                Privacy.DIGITS
                | Privacy.NAME
                | Privacy.SIP_ADDRESS
                | Privacy.NETWORK_ADDRESS
                | Privacy.MEDIA
                | Privacy.FREE_TEXT
            ):
                return Redaction.DROP

    @property
    def masking(self) -> "Masking":
        """What masking and erasure keep of fields of this class in the warehouse."""
        match self:
            case Privacy.NUMBER | Privacy.DIGITS | Privacy.SIP_ADDRESS:
                return Masking.MASK
            case Privacy.NAME | Privacy.NETWORK_ADDRESS | Privacy.MEDIA | Privacy.FREE_TEXT:
                return Masking.EMPTY
            case Privacy.IDENTIFIER | Privacy.NONE:
                return Masking.KEEP

    @property
    def is_searched_for_erasure(self) -> bool:
        """Whether the field may contain the telephone number of an erasure request."""
        return self.masking is not Masking.KEEP and self is not Privacy.NETWORK_ADDRESS


class Redaction(StrEnum):
    """What a ``redacted`` file shows of a value."""

    KEEP = "kept"
    HASH = "hashed"
    DROP = "left out"


class Masking(StrEnum):
    """What masking keeps of a value in the warehouse."""

    KEEP = "kept"
    MASK = "last four characters replaced"
    EMPTY = "emptied"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the canonical CDR.

    Attributes:
        name: column name in frames, warehouse and files.
        kind: type.
        description: meaning, with unit and clock, for people who read the files.
        privacy: class of personal data. There is no default: a field without a class fails at import.
        longest: most bytes of UTF-8 in a text. Every text field has a limit, and no other field has one. Fields in an
            index have at most ``LONGEST_INDEXED``.
        seed: name in the tables of the Kazoo CDR API (2017 page), dotted if nested; empty when it is not there.
        list_key: key in a row of Kazoo's list; empty when lists do not have the field.
        detail_path: JSON path in a Kazoo detail document; empty when documents do not have the field.
        derived: how the value is computed; empty when a source delivers it.
        required: whether a record without a value is rejected.
        minimum: smallest accepted value, in the field's own unit; None for no limit.
        allowed: accepted values; empty for any value.
        exported: whether the field is a column of the daily CSV.
    """

    name: str
    kind: Kind
    description: str
    privacy: Privacy
    longest: int | None = None
    seed: str = ""
    list_key: str = ""
    detail_path: str = ""
    derived: str = ""
    required: bool = False
    minimum: int | None = None
    allowed: tuple[str, ...] = ()
    exported: bool = True

    def __post_init__(self) -> None:
        if (self.longest is None) is (self.kind is Kind.TEXT):
            raise ValueError(f"field {self.name}: set ``longest`` for text fields, and only for them")

    @property
    def detail_only(self) -> bool:
        """Whether only ``/cdrs/{id}`` delivers the field. A load without details must not erase its value."""
        return not self.list_key and (bool(self.detail_path) or self.name in _DERIVED_FROM_DETAILS)


_DERIVED_FROM_DETAILS: Final = frozenset(
    {"from_host", "to_host", "remote_rtp_address", "remote_rtp_port", "local_rtp_address", "local_rtp_port"}
)
_CCV: Final = "custom_channel_vars"
# PostgreSQL rejects index entries above 2,704 bytes. An entry contains an account id, at most two of these fields, and
# a date or an instant. A test adds up the fields of every index.
LONGEST_INDEXED: Final = 512
# Most bytes of a JSON text: values that no field holds, or a detail document.
LONGEST_EXTRA: Final = 1024**2

FIELDS: Final[tuple[Field, ...]] = (
    # identity
    Field(
        "account_id",
        Kind.TEXT,
        "Account that owns the record.",
        Privacy.NONE,
        longest=64,
        seed=f"{_CCV}.account_id",
        required=True,
    ),
    Field(
        "origin",
        Kind.TEXT,
        "Who delivered the record: api (the switch) or imported (a file).",
        Privacy.NONE,
        longest=16,
        required=True,
        allowed=("api", "imported"),
    ),
    Field(
        "record_id",
        Kind.TEXT,
        "Identity in the account: the switch's id, or source, kind and the file's own id or fingerprint.",
        Privacy.IDENTIFIER,
        longest=512,
        seed="id",
        list_key="id",
        detail_path="id",
        required=True,
    ),
    Field(
        "business_date",
        Kind.DATE,
        "Calendar day, in the account's zone, in which the call started.",
        Privacy.NONE,
        derived="started_at in the account's time zone",
        required=True,
    ),
    # the call
    Field(
        "call_id",
        Kind.TEXT,
        "Unique id of the call leg.",
        Privacy.IDENTIFIER,
        longest=512,
        seed="call_id",
        list_key="call_id",
        detail_path="call_id",
    ),
    Field(
        "other_leg_call_id",
        Kind.TEXT,
        "Id of the other leg of the call.",
        Privacy.IDENTIFIER,
        longest=512,
        seed="other_leg_call_id",
        list_key="other_leg_call_id",
        detail_path="other_leg_call_id",
    ),
    Field(
        "bridge_id",
        Kind.TEXT,
        "Call id of the leg that this one was bridged from.",
        Privacy.IDENTIFIER,
        longest=512,
        list_key="bridge_id",
        detail_path=f"{_CCV}.bridge_id",
    ),
    Field(
        "interaction_id",
        Kind.TEXT,
        "Shared by all legs of one interaction, transfers included.",
        Privacy.IDENTIFIER,
        longest=512,
        list_key="interaction_id",
        detail_path="interaction_id",
    ),
    Field(
        "call_direction",
        Kind.TEXT,
        "inbound to or outbound from the switch.",
        Privacy.NONE,
        longest=64,
        seed="call_direction",
        list_key="direction",
        detail_path="call_direction",
        allowed=("inbound", "outbound"),
    ),
    Field(
        "started_at",
        Kind.INSTANT,
        "When the leg started, UTC.",
        Privacy.NONE,
        seed="timestamp",
        list_key="timestamp",
        derived="list: timestamp; details: timestamp less duration_seconds (Gregorian seconds)",
        required=True,
    ),
    Field(
        "answered_at",
        Kind.INSTANT,
        "When the leg was answered, UTC; nothing when it was not.",
        Privacy.NONE,
        derived="ended_at less billing_seconds, where those are above 0",
    ),
    Field(
        "ended_at",
        Kind.INSTANT,
        "When the leg ended, UTC.",
        Privacy.NONE,
        derived="started_at plus duration_seconds (the detail document's timestamp)",
    ),
    Field(
        "duration_seconds",
        Kind.SECONDS,
        "Whole length of the leg, seconds, ringing included.",
        Privacy.NONE,
        seed="duration_seconds",
        list_key="duration_seconds",
        detail_path="duration_seconds",
        minimum=0,
    ),
    Field(
        "billing_seconds",
        Kind.SECONDS,
        "Length after answer, seconds.",
        Privacy.NONE,
        seed="billing_seconds",
        list_key="billing_seconds",
        detail_path="billing_seconds",
        minimum=0,
    ),
    Field(
        "ringing_seconds",
        Kind.SECONDS,
        "Time the far end rang, seconds.",
        Privacy.NONE,
        seed="ringing_seconds",
        detail_path="ringing_seconds",
        minimum=0,
    ),
    Field(
        "answered",
        Kind.FLAG,
        "Whether the call was answered: it has billable seconds or an answer time.",
        Privacy.NONE,
        derived="billing_seconds above 0, or an answer time was delivered",
    ),
    Field(
        "hangup_cause",
        Kind.TEXT,
        "Why the leg ended, as the switch names it (NORMAL_CLEARING, ...).",
        Privacy.NONE,
        longest=256,
        seed="hangup_cause",
        list_key="hangup_cause",
        detail_path="hangup_cause",
    ),
    Field(
        "disposition",
        Kind.TEXT,
        "Outcome as the source states it (ANSWERED, NO ANSWER, ...).",
        Privacy.NONE,
        longest=256,
        list_key="disposition",
        detail_path="disposition",
    ),
    # the parties
    Field(
        "caller_id_name",
        Kind.TEXT,
        "Name presented by the caller.",
        Privacy.NAME,
        longest=1024,
        seed="caller_id_name",
        list_key="caller_id_name",
        detail_path="caller_id_name",
    ),
    Field(
        "caller_id_number",
        Kind.TEXT,
        "Number presented by the caller, as delivered.",
        Privacy.NUMBER,
        longest=512,
        seed="caller_id_number",
        list_key="caller_id_number",
        detail_path="caller_id_number",
    ),
    Field(
        "caller_e164",
        Kind.TEXT,
        "Caller's number in E.164; nothing when it is not a public number.",
        Privacy.NUMBER,
        longest=32,
        derived="caller_id_number by the account's or profile's number plan",
    ),
    Field(
        "callee_id_name",
        Kind.TEXT,
        "Name of the called party.",
        Privacy.NAME,
        longest=1024,
        seed="callee_id_name",
        list_key="callee_id_name",
        detail_path="callee_id_name",
    ),
    Field(
        "callee_id_number",
        Kind.TEXT,
        "Number of the called party, as delivered.",
        Privacy.NUMBER,
        longest=512,
        seed="callee_id_number",
        list_key="callee_id_number",
        detail_path="callee_id_number",
    ),
    Field(
        "callee_e164",
        Kind.TEXT,
        "Called number in E.164; nothing when it is not a public number.",
        Privacy.NUMBER,
        longest=32,
        derived="dialed_number, else callee_id_number, by the account's or profile's number plan",
    ),
    Field(
        "digits_dialed",
        Kind.TEXT,
        "DTMF digits that were dialled (none when none were pressed).",
        Privacy.DIGITS,
        longest=1024,
        seed="digits_dialed",
        detail_path="digits_dialed",
    ),
    Field(
        "dialed_number", Kind.TEXT, "Number that was dialled.", Privacy.NUMBER, longest=512, list_key="dialed_number"
    ),
    Field(
        "calling_from",
        Kind.TEXT,
        "Number that the call came from.",
        Privacy.NUMBER,
        longest=512,
        list_key="calling_from",
    ),
    Field(
        "cid_type",
        Kind.TEXT,
        "Source of the caller id.",
        Privacy.NONE,
        longest=256,
        seed="cid_type",
        detail_path="cid_type",
    ),
    # signalling
    Field(
        "to_uri", Kind.TEXT, "SIP URI called.", Privacy.SIP_ADDRESS, longest=2048, seed="to_uri", detail_path="to_uri"
    ),
    Field(
        "from_uri",
        Kind.TEXT,
        "SIP URI of the caller.",
        Privacy.SIP_ADDRESS,
        longest=2048,
        seed="from_uri",
        detail_path="from_uri",
    ),
    Field("to_host", Kind.TEXT, "Host part of to_uri.", Privacy.NONE, longest=512, derived="to_uri"),
    Field("from_host", Kind.TEXT, "Host part of from_uri.", Privacy.NONE, longest=512, derived="from_uri"),
    Field(
        "sip_to",
        Kind.TEXT,
        "user@realm of the SIP To header.",
        Privacy.SIP_ADDRESS,
        longest=2048,
        list_key="to",
        detail_path="to",
    ),
    Field(
        "sip_from",
        Kind.TEXT,
        "user@realm of the SIP From header.",
        Privacy.SIP_ADDRESS,
        longest=2048,
        list_key="from",
        detail_path="from",
    ),
    Field(
        "sip_request",
        Kind.TEXT,
        "user@realm of the SIP request line.",
        Privacy.SIP_ADDRESS,
        longest=2048,
        list_key="request",
        detail_path="request",
    ),
    Field(
        "user_agent",
        Kind.TEXT,
        "User agent reported by the device.",
        Privacy.FREE_TEXT,
        longest=2048,
        seed="user_agent",
        detail_path="user_agent",
    ),
    # media
    Field(
        "remote_sdp",
        Kind.TEXT,
        "Session description of the far end at call setup.",
        Privacy.MEDIA,
        longest=262144,
        seed="remote_sdp",
        detail_path="remote_sdp",
        exported=False,
    ),
    Field(
        "local_sdp",
        Kind.TEXT,
        "Session description of the switch at call setup.",
        Privacy.MEDIA,
        longest=262144,
        seed="local_sdp",
        detail_path="local_sdp",
        exported=False,
    ),
    Field(
        "remote_rtp_address",
        Kind.TEXT,
        "IP address of the far end's media.",
        Privacy.NETWORK_ADDRESS,
        longest=256,
        derived="remote_sdp, c= line",
    ),
    Field(
        "remote_rtp_port",
        Kind.PORT,
        "Port of the far end's media.",
        Privacy.NETWORK_ADDRESS,
        derived="remote_sdp, m= line",
    ),
    Field(
        "local_rtp_address",
        Kind.TEXT,
        "IP address of the switch's media.",
        Privacy.NONE,
        longest=256,
        derived="local_sdp, c= line",
    ),
    Field("local_rtp_port", Kind.PORT, "Port of the switch's media.", Privacy.NONE, derived="local_sdp, m= line"),
    Field(
        "recording_url",
        Kind.TEXT,
        "Where the recording is.",
        Privacy.MEDIA,
        longest=4096,
        list_key="recording_url",
        detail_path="recording_url",
    ),
    Field(
        "media_recordings",
        Kind.TEXT,
        "Recording ids, a JSON list.",
        Privacy.MEDIA,
        longest=65536,
        list_key="media_recordings",
        detail_path=f"{_CCV}.media_recordings",
    ),
    # the customer
    Field(
        "owner_id",
        Kind.TEXT,
        "User that owns the device.",
        Privacy.IDENTIFIER,
        longest=512,
        list_key="owner_id",
        detail_path=f"{_CCV}.owner_id",
    ),
    Field(
        "authorizing_id",
        Kind.TEXT,
        "Device or resource that authorised the call.",
        Privacy.IDENTIFIER,
        longest=512,
        seed=f"{_CCV}.authorizing_id",
        list_key="authorizing_id",
        detail_path=f"{_CCV}.authorizing_id",
    ),
    Field(
        "endpoint_id",
        Kind.TEXT,
        "Endpoint id.",
        Privacy.IDENTIFIER,
        longest=512,
        seed=f"{_CCV}.endpoint_id",
        detail_path=f"{_CCV}.endpoint_id",
    ),
    Field(
        "tenant_id",
        Kind.TEXT,
        "Tenant id.",
        Privacy.NONE,
        longest=512,
        seed=f"{_CCV}.tenant_id",
        detail_path=f"{_CCV}.tenant_id",
    ),
    Field(
        "access_group",
        Kind.TEXT,
        "Access group.",
        Privacy.NONE,
        longest=512,
        seed=f"{_CCV}.access_group",
        detail_path=f"{_CCV}.access_group",
    ),
    Field(
        "username",
        Kind.TEXT,
        "SIP user name that authenticated.",
        Privacy.SIP_ADDRESS,
        longest=512,
        seed=f"{_CCV}.username",
        detail_path=f"{_CCV}.username",
    ),
    Field(
        "realm",
        Kind.TEXT,
        "SIP realm of the account.",
        Privacy.NONE,
        longest=512,
        seed=f"{_CCV}.realm",
        detail_path=f"{_CCV}.realm",
    ),
    Field(
        "inception",
        Kind.TEXT,
        "Where the call entered the system.",
        Privacy.SIP_ADDRESS,
        longest=2048,
        seed=f"{_CCV}.inception",
        detail_path=f"{_CCV}.inception",
    ),
    Field(
        "resource_id",
        Kind.TEXT,
        "Carrier resource that took the call.",
        Privacy.NONE,
        longest=512,
        detail_path=f"{_CCV}.resource_id",
    ),
    # money
    Field(
        "cost",
        Kind.MONEY,
        "Price of the call, in cost_currency.",
        Privacy.NONE,
        list_key="cost",
        derived="Kazoo's cost is in 1/10000 dollar and is converted",
    ),
    Field(
        "cost_currency",
        Kind.TEXT,
        "ISO 4217 code of cost and rate.",
        Privacy.NONE,
        longest=16,
        derived="USD for the switch's records",
    ),
    Field("rate", Kind.MONEY, "Price of one minute, in cost_currency.", Privacy.NONE, list_key="rate"),
    Field(
        "rate_name",
        Kind.TEXT,
        "Name of the rate that applied.",
        Privacy.NONE,
        longest=512,
        list_key="rate_name",
        detail_path=f"{_CCV}.rate_name",
    ),
    Field(
        "call_type",
        Kind.TEXT,
        "How the account is billed for it (per_minute, flat_rate, ...).",
        Privacy.NONE,
        longest=256,
        list_key="call_type",
        detail_path=f"{_CCV}.account_billing",
    ),
    Field(
        "reseller_cost", Kind.MONEY, "Price to the reseller, in cost_currency.", Privacy.NONE, list_key="reseller_cost"
    ),
    Field(
        "reseller_call_type",
        Kind.TEXT,
        "How the reseller is billed for it.",
        Privacy.NONE,
        longest=256,
        list_key="reseller_call_type",
        detail_path=f"{_CCV}.reseller_billing",
    ),
    Field(
        "carrier",
        Kind.TEXT,
        "Carrier or system whose file delivered the record.",
        Privacy.NONE,
        longest=256,
        derived="the import profile's carrier",
    ),
    Field("trunk", Kind.TEXT, "Trunk or gateway that carried the call.", Privacy.NONE, longest=512),
    # the system
    Field(
        "call_priority",
        Kind.TEXT,
        "Priority of the call.",
        Privacy.NONE,
        longest=256,
        list_key="call_priority",
        detail_path="call_priority",
    ),
    Field(
        "handling_server_name",
        Kind.TEXT,
        "Media node in charge of the call.",
        Privacy.NONE,
        longest=512,
        seed="handling_server_name",
        detail_path="handling_server_name",
    ),
    Field(
        "media_server",
        Kind.TEXT,
        "Media server that handled the call.",
        Privacy.NONE,
        longest=512,
        list_key="media_server",
        detail_path="media_server",
    ),
    Field(
        "app_name",
        Kind.TEXT,
        "Application that wrote the record.",
        Privacy.NONE,
        longest=512,
        seed="app_name",
        detail_path="app_name",
        exported=False,
    ),
    Field(
        "app_version",
        Kind.TEXT,
        "Version of that application.",
        Privacy.NONE,
        longest=512,
        seed="app_version",
        detail_path="app_version",
        exported=False,
    ),
    Field(
        "event_name",
        Kind.TEXT,
        "Name of the event that carried the record.",
        Privacy.NONE,
        longest=512,
        seed="event_name",
        detail_path="event_name",
        exported=False,
    ),
    Field(
        "event_category",
        Kind.TEXT,
        "Category of that event.",
        Privacy.NONE,
        longest=512,
        seed="event_category",
        detail_path="event_category",
        exported=False,
    ),
    Field(
        "server_id",
        Kind.TEXT,
        "Server id.",
        Privacy.NONE,
        longest=512,
        seed="server_id",
        detail_path="server_id",
        exported=False,
    ),
)

BY_NAME: Final[dict[str, Field]] = {field.name: field for field in FIELDS}

# Generated from the privacy classes. Private fields are not listed anywhere else.
HASHED: Final = tuple(field.name for field in FIELDS if field.privacy.redaction is Redaction.HASH)
DROPPED: Final = tuple(field.name for field in FIELDS if field.privacy.redaction is Redaction.DROP)
MASKED: Final = tuple(field.name for field in FIELDS if field.privacy.masking is Masking.MASK)
EMPTIED: Final = tuple(field.name for field in FIELDS if field.privacy.masking is Masking.EMPTY)
SEARCHED_FOR_ERASURE: Final = tuple(field.name for field in FIELDS if field.privacy.is_searched_for_erasure)
# Values that no log line, error or metadata may show.
UNLOGGED: Final = tuple(field.name for field in FIELDS if field.privacy not in {Privacy.NONE, Privacy.IDENTIFIER})

# Keys of a Kazoo list row that repeat a field in another notation. The warehouse does not store them: the landing file
# has them, and the API generates them from the field given here.
RESTATED_LIST_KEYS: Final[dict[str, str]] = {
    "datetime": "started_at",
    "unix_timestamp": "started_at",
    "rfc_1036": "started_at",
    "iso_8601": "started_at",
    "iso_8601_combined": "started_at",
}

LIST_KEYS: Final = frozenset(field.list_key for field in FIELDS if field.list_key)
# Keys of a list row, and of a detail document, that ``extra`` leaves out: columns hold the same values.
# ``extra`` keeps all of custom_channel_vars, because only some of its values are columns.
KNOWN_LIST_KEYS: Final = LIST_KEYS | RESTATED_LIST_KEYS.keys() | {"call_direction"}
KNOWN_DETAIL_KEYS: Final = frozenset(
    field.detail_path for field in FIELDS if field.detail_path and "." not in field.detail_path
) | {"timestamp"}


def names(*, exported_only: bool = False) -> tuple[str, ...]:
    """Column names in canonical order, of all fields or only of the exported ones."""
    return tuple(field.name for field in FIELDS if field.exported or not exported_only)


def canonical_schema() -> "dict[str, pl.DataType]":
    """Columns and types of the canonical frame, in the order of the dictionary. The frame has one row per record."""
    return {field.name: field.kind.dtype for field in FIELDS}


def list_fields() -> Iterator[Field]:
    """Fields that a row of Kazoo's list delivers."""
    return (field for field in FIELDS if field.list_key)


def detail_only_names() -> tuple[str, ...]:
    """Names of the columns that only detail documents fill."""
    return tuple(field.name for field in FIELDS if field.detail_only)
