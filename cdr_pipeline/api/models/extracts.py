"""Bodies of requests and responses about extracts."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from cdr_pipeline.api.models.envelopes import Body


class ExtractError(Body):
    """Why the last attempt to make the file failed."""

    code: str
    message: str
    hint: str


class ExtractBody(Body):
    """A file of records: what was requested, and how far it is. ``rows`` and ``bytes`` grow while it is made."""

    extract_id: str
    account_id: str
    state: Literal["waiting", "running", "ready", "failed", "expired", "withdrawn", "deleted"]
    format: str
    compression: str
    kind: str | None
    user_id: str | None
    parameters: dict[str, list[str]]
    created_from: datetime | None
    created_to: datetime | None
    rows: int
    bytes: int
    slices: int
    slices_done: int
    sha256: str | None
    error: ExtractError | None
    created_at: datetime
    ended_at: datetime | None
    expires_at: datetime | None


class ExtractWish(BaseModel):
    """A file of records to make."""

    kind: Literal["records", "interactions"] = "records"
    user_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00]+$",
        description="only records of devices of this user",
    )
    format: Literal["csv", "spreadsheet", "json", "json_lines", "arrow", "xlsx"] = "csv"
    compression: Literal["none", "gzip"] = "none"
    parameters: dict[str, str | int | list[str | int]] = Field(
        default={},
        max_length=100,
        description="query parameters of the list: period, order, fields, utc_offset and filters; several values of a"
        " filter as an array",
    )


class ExtractWishRequest(BaseModel):
    """Body of a request of an extract."""

    data: ExtractWish = ExtractWish()
