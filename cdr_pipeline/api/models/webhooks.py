"""Webhooks, and what could not be sent to them."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from cdr_pipeline.api.models.envelopes import Body


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


WEBHOOK_SCHEMA: Final = {
    "type": "object", "required": ["data"], "properties": {"data": WebhookWish.model_json_schema()},
}  # fmt: skip
REPLAY_SCHEMA: Final = {"type": "object", "properties": {"data": Replay.model_json_schema()}}
