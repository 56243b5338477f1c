"""Uploads, decisions about held ones, and rejected lines."""

from datetime import date, datetime
from typing import Final, Literal

from pydantic import BaseModel

from cdr_pipeline.api.models.envelopes import Body


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
