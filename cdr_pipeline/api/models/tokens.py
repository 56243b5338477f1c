"""Tokens that are managed over the API."""

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from cdr_pipeline.api.models.envelopes import Body


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


TOKEN_SCHEMA: Final = {"type": "object", "required": ["data"], "properties": {"data": TokenWish.model_json_schema()}}
ROTATION_SCHEMA: Final = {"type": "object", "properties": {"data": Rotation.model_json_schema()}}
