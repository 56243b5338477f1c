"""Query parameters of the routes as Pydantic models: types, rules, and what the OpenAPI document says about them.

Filters are in ``cdr_pipeline.api.filters``. Periods of lists are parsed in ``cdr_pipeline.api.times``, because their
bounds depend on each other.
"""

import re
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from cdr_pipeline.api.refusals import invalid, invalid_model, no_such, unknown_parameters
from cdr_pipeline.api.service import service_of
from cdr_pipeline.core.time.local_time import zone_names
from cdr_pipeline.steps.days.published_files import MOST_DAYS

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 10_000
# Complete lists accept a page size of any value and ignore it, as on the switch.
ANY_PAGE: Final = 999_999_999
_MONTH: Final = timedelta(days=31)
_LARGEST_OFFSET: Final = 86_400
_LARGEST_CHUNK: Final = 50
_PAGE_SIZE: Final = re.compile(r"[0-9]{1,9}")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_CHANGE: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_PROFILE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Formats of a time in a query, as JSON Schema.
MOMENT: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": r"^(6[2-7]\d{9}|2[0-9]{3}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(Z|[+-]\d\d:\d\d))$",
}


def _flag(text: object) -> object:
    if text not in ("true", "false", True, False):
        raise PydanticCustomError("allowed", "must be one of: true, false")
    return text in ("true", True)


def _page_size(text: object) -> object:
    if not isinstance(text, str):
        return text
    if not _PAGE_SIZE.fullmatch(text) or not 1 <= int(text) <= ANY_PAGE:
        raise page_size_fault(LARGEST_PAGE)
    return int(text)


def page_size_fault(most: int) -> PydanticCustomError:
    """Fault of a page size that is not an integer from 1 to ``most``."""
    return PydanticCustomError(
        "range", "must be a whole number from 1 to {most}; paginate=false lists everything", {"most": most}
    )


def _chunk_size(text: object) -> object:
    if isinstance(text, str) and not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _LARGEST_CHUNK):
        raise PydanticCustomError("range", "must be a whole number from 1 to 50")
    return int(text)  # type: ignore[call-overload]


def _change(text: object) -> object:
    if not isinstance(text, str) or not _CHANGE.fullmatch(text):
        raise PydanticCustomError("number", "must be the number of a change, or 0")
    return int(text)


def _offset(text: object) -> object:
    try:
        seconds = int(text)  # type: ignore[call-overload]
    except ValueError:
        raise PydanticCustomError("number", "utc_offset must be a number") from None
    if abs(seconds) > _LARGEST_OFFSET:
        raise PydanticCustomError("range", "must be seconds of at most a day")
    return seconds


def _day(text: object) -> object:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise PydanticCustomError("date", "must be a calendar date such as 2026-11-23") from None


def _profile(name: str) -> str:
    if not _PROFILE.fullmatch(name):
        raise PydanticCustomError("name", "must be the name of a profile: 'cdr-pipeline profiles list' shows them")
    return name


def _zone(name: str) -> str:
    if name not in zone_names():
        raise PydanticCustomError("zone", "must be an IANA time zone such as Europe/Berlin")
    return name


def _names(text: object) -> object:
    """Names separated by commas, or a JSON list of them."""
    if not isinstance(text, str):
        return text
    return tuple(name.strip() for name in text.strip("[]").replace('"', "").split(",") if name.strip())


Query = TypeVar("Query", bound=BaseModel)
Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "string", "enum": ["true", "false"]})]
PageSize = Annotated[
    int, BeforeValidator(_page_size), WithJsonSchema({"type": "string", "pattern": "^([1-9][0-9]{0,3}|10000)$"})
]
ChunkSize = Annotated[
    int, BeforeValidator(_chunk_size), WithJsonSchema({"type": "string", "pattern": "^([1-9]|[1-4][0-9]|50)$"})
]
Offset = Annotated[int, BeforeValidator(_offset), WithJsonSchema({"type": "string", "pattern": "^-?[0-9]{1,4}$"})]
Change = Annotated[
    int | None, BeforeValidator(_change), WithJsonSchema({"type": "string", "pattern": "^(0|[1-9][0-9]{0,17})$"})
]
Day = Annotated[date | None, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Text = Annotated[str | None, WithJsonSchema({"type": "string"})]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
States = Annotated[
    tuple[Literal["open", "accepted", "disputed", "credited"], ...],
    BeforeValidator(_names),
    WithJsonSchema(
        {"type": "string", "pattern": "^(open|accepted|disputed|credited)(,(open|accepted|disputed|credited)){0,3}$"}
    ),
]
Moment = Annotated[str | None, WithJsonSchema(MOMENT)]
MediaType = Annotated[
    str | None, WithJsonSchema({"type": "string", "enum": ["json", "csv", "application/json", "text/csv"]})
]


class AcceptQuery(BaseModel):
    """Parameters of every route."""

    model_config = ConfigDict(frozen=True)

    accept: MediaType = Field(
        default=None, description="media type of the response, if the header Accept admits JSON", examples=["text/csv"]
    )


class StartQuery(BaseModel):
    """Position in a list of accounts."""

    page_size: PageSize = Field(
        default=DEFAULT_PAGE, le=LARGEST_PAGE, description="accounts of a page (v2)", examples=["50"]
    )
    start_key: Text = Field(default=None, description="next_start_key of the previous page", examples=["g2wAAA"])
    paginate: Flag = Field(default=True, description="false: all accounts in one response", examples=["false"])
    ascending: Flag = Field(
        default=True, description="ignored; accounts are in the order of their ids", examples=["true"]
    )


class PeriodQuery(BaseModel):
    """Period of the save time of records."""

    created_from: Moment = Field(
        default=None,
        description="start of the save time, inclusive; Gregorian seconds, Unix time or ISO 8601",
        examples=["63946000000"],
    )
    created_to: Moment = Field(
        default=None,
        description="end of the save time, inclusive; at most 31 days and one hour after created_from",
        examples=["63946086400"],
    )


class ListQuery(BaseModel):
    """Pages, order and form of a list of records."""

    model_config = ConfigDict(frozen=True)

    page_size: PageSize = Field(default=DEFAULT_PAGE, description="rows of a page (v2)", examples=["50"])
    start_key: Text = Field(default=None, description="next_start_key of the previous page", examples=["g2wAAA"])
    paginate: Flag = Field(default=True, description="false: all records in one response", examples=["false"])
    ascending: Flag = Field(default=False, description="oldest first", examples=["true"])
    descending: Flag = Field(default=True, description="newest first (default)", examples=["true"])
    chunk_size: ChunkSize = Field(
        default=50, description="ignored; Kazoo's number of rows it reads at once", examples=["50"]
    )
    utc_offset: Offset = Field(default=0, description="seconds added to the column datetime", examples=["3600"])
    file_name: Text = Field(default=None, description="name of a CSV download", examples=["calls"])


class ColumnsQuery(BaseModel):
    """Kazoo 5's choice of columns. Not in the OpenAPI document: there, every row has every column."""

    model_config = ConfigDict(frozen=True)

    fields: Names = ()


class UploadQuery(BaseModel):
    """How an uploaded file is read."""

    model_config = ConfigDict(frozen=True)

    profile: Annotated[Text, AfterValidator(_profile)] = Field(
        default=None,
        description="name of a profile; default: kazoo_json, kazoo_detail, kazoo_csv or daily_file if the contents "
        "have that form, else generic",
        examples=["asterisk"],
    )
    time_zone: Annotated[Text, AfterValidator(_zone)] = Field(
        default=None,
        description="IANA time zone of local times; default: the account's",
        examples=["Europe/Berlin"],
    )
    dry_run: Flag = Field(default=False, description="return what would happen and change nothing", examples=["true"])
    file_name: Text = Field(default=None, description="display name of the upload", examples=["calls.csv"])


class DaysQuery(BaseModel):
    """Business dates of a list."""

    model_config = ConfigDict(frozen=True)

    from_date: Day = Field(default=None, description="first business date", examples=["2026-11-01"])
    to_date: Day = Field(default=None, description="last business date", examples=["2026-11-23"])


class BreaksQuery(BaseModel):
    """Which breaks are listed."""

    model_config = ConfigDict(frozen=True)

    carrier: Text = Field(default=None, description="only breaks of this carrier", examples=["carrier-1"])
    state: States = Field(
        default=(),
        description="open, accepted, disputed or credited; several separated by commas; default: all",
        examples=["open"],
    )


class ChangesQuery(BaseModel):
    """Position in the changes of an account."""

    model_config = ConfigDict(frozen=True)

    after: Change = Field(
        default=None,
        description="number of the last change that is known; omitted: from the oldest that is kept",
        examples=["42"],
    )
    page_size: PageSize = Field(default=DEFAULT_PAGE, le=LARGEST_PAGE, description="changes of a page", examples=["50"])


def refuse_unknown(request: Request, names: Collection[str], known: Collection[str]) -> None:
    """Refuses a request with unknown parameters, or remembers them for the header X-Ignored-Parameters, by setting.

    Args:
        request: the request.
        names: its unknown parameters.
        known: parameters of the route.

    Raises:
        RequestRefused: 400 with the known parameters.
    """
    if not names:
        return
    # A name can be anything, a secret included: only those that look like names are repeated.
    safe = [name if re.fullmatch(r"[a-z][\w.\[\]-]{0,39}", name) else "?" for name in names]
    if service_of(request).ctx.settings.serve_unknown_parameters == "refuse":
        raise unknown_parameters(safe, sorted(known))
    request.state.ignored_parameters = sorted(set(safe))


def parameters_of(model: type[Query], request: Request) -> Query:
    """The parameters of a request that a model has. Raises RequestRefused: 400 with name and rule of each fault."""
    return parameters_in(model, request.query_params)


def parameters_in(model: type[Query], query: Mapping[str, str]) -> Query:
    """The parameters of a query that a model has. Raises RequestRefused: 400 with name and rule of each fault."""
    try:
        return model.model_validate({name: query[name] for name in model.model_fields if name in query})
    except ValidationError as error:
        if any(fault["loc"] == ("utc_offset",) and fault["type"] == "number" for fault in error.errors()):
            # As Kazoo 4.3 does.
            raise no_such("utc_offset must be a number") from None
        raise invalid_model(error, "query") from None


def dates_of(request: Request) -> tuple[date, date]:
    """``from_date`` and ``to_date``, both inclusive; default: the last month. Raises RequestRefused: 400."""
    today = service_of(request).ctx.clock().date()
    span = parameters_of(DaysQuery, request)
    last = span.to_date or today + timedelta(days=1)
    first = span.from_date or max(date.min + _MONTH, last) - _MONTH
    if not 0 <= (last - first).days < MOST_DAYS:
        raise invalid("from_date", "date_range", f"must be no later than to_date and less than {MOST_DAYS} days before")
    return first, last


def idempotency_key(request: Request) -> str | None:
    """The header Idempotency-Key; None without it. Raises RequestRefused: 400."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise invalid("Idempotency-Key", "text", "must be 1 to 255 visible ASCII characters")
    return key


def date_in_path(text: str) -> date:
    """The business date that a path names. Raises RequestRefused: 404, as for any id that does not exist."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise no_such("bad_identifier", {"message": "bad identifier"}) from None


def documented(*models: type[BaseModel]) -> list[dict[str, Any]]:
    """Parameters of the OpenAPI document, in the order of the models."""
    listed: list[dict[str, Any]] = []
    for model in models:
        for name, schema in model.model_json_schema()["properties"].items():
            example = schema.pop("examples")[0]
            description = schema.pop("description")
            kind = {key: value for key, value in schema.items() if key not in ("title", "default")}
            listed.append(
                {
                    "name": name, "in": "query", "required": False, "description": description, "schema": kind,
                    "example": example,
                }
            )  # fmt: skip
    return listed
