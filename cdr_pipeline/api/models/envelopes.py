"""What surrounds the data of every response, and errors."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model


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
