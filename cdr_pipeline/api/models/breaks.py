"""Breaks of reconciliations, and decisions about them."""

from datetime import date, datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from cdr_pipeline.api.models.envelopes import Body


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


class DecidedCarrierDay(Body):
    """A carrier's day after decisions."""

    business_date: date
    carrier: str
    open_breaks: int
    light: str
