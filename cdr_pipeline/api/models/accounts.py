"""Accounts, and the state of the server."""

from pydantic import BaseModel

from cdr_pipeline.api.models.envelopes import Body


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
