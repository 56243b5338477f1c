"""Days with their files, seals and changes."""

from datetime import date, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from cdr_pipeline.api.models.envelopes import Body


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


class DayAct(BaseModel):
    """Why a day is sealed in spite of obstacles, or restated."""

    reason: str = Field(default="", max_length=1_000)


class DayActRequest(BaseModel):
    """Body of a request that seals or restates a day."""

    data: DayAct


DAY_ACT_SCHEMA: Final = DayActRequest.model_json_schema() | {"properties": {"data": DayAct.model_json_schema()}}
DAY_ACT_SCHEMA.pop("$defs")


class ActedDay(Body):
    """A day after a seal or a restatement; ``asked``: a second person must confirm it in the console."""

    account_id: str
    business_date: date
    outcome: Literal["sealed", "already", "restated", "unchanged", "asked"]


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
