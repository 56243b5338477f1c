"""Logins as clients of a switch send them, and what portals ask for afterwards."""

from typing import Final, Literal

from pydantic import BaseModel, Field

from cdr_pipeline.api.models.envelopes import Body, Envelope


class LoginBody(Body):
    """Account and scope of a new token, and the keys that clients of a switch read."""

    account_id: str
    account_name: str
    scope: str
    owner_id: str | None
    reseller_id: str
    is_reseller: bool
    language: str = "en-us"
    apps: list[str] = Field(default=[])


class LoginEnvelope(Envelope):
    """A successful response with the new token."""

    auth_token: str


class PortalUser(Body):
    """The user of a token, with the keys that portals of a switch read."""

    id: str
    username: str
    first_name: str
    last_name: str
    enabled: bool
    priv_level: Literal["admin", "user"]
    timezone: str


class PortalApp(Body):
    """An app of Monster UI."""

    id: str
    name: str
    i18n: dict[str, dict[str, str]]
    allowed_users: Literal["all"] = "all"
    users: list[str] = Field(default=[])


class KnownToken(BaseModel):
    """A token."""

    token: str = Field(min_length=1, max_length=4_096)


class TokenInfoRequest(BaseModel):
    """Body of a request about a token."""

    data: KnownToken


class LoginKey(BaseModel):
    """An API key."""

    api_key: str = Field(min_length=1, max_length=4_096)


class LoginRequest(BaseModel):
    """Body of a login."""

    data: LoginKey


# An empty name is none: the schemas state it as the default.
_NAME: Final = r"^[^\x00]{0,300}$"


class UserLogin(BaseModel):
    """Name and password as one digest, and name or realm of the account."""

    credentials: str = Field(
        pattern="^([0-9a-fA-F]{32}|[0-9a-fA-F]{40})$",
        description='MD5 or SHA-1 of "name:password", in hexadecimal digits',
    )
    account_name: str = Field(default="", pattern=_NAME)
    account_realm: str = Field(default="", pattern=_NAME)
    realm: str = Field(default="", pattern=_NAME, description="the same as account_realm")
    method: Literal["md5", "sha"] | None = None


class UserLoginRequest(BaseModel):
    """Body of a login with name and password."""

    data: UserLogin


# Schema without references, so that it needs no component of its own.
LOGIN_SCHEMA: Final = LoginRequest.model_json_schema() | {"properties": {"data": LoginKey.model_json_schema()}}
LOGIN_SCHEMA.pop("$defs")
TOKEN_INFO_SCHEMA: Final = {
    "type": "object", "required": ["data"], "properties": {"data": KnownToken.model_json_schema()},
}  # fmt: skip
_NAMED: Final = [
    {"required": [name], "properties": {name: {"minLength": 1}}} for name in ("account_name", "account_realm", "realm")
]
USER_LOGIN_SCHEMA: Final = UserLoginRequest.model_json_schema() | {
    "properties": {"data": UserLogin.model_json_schema() | {"anyOf": _NAMED}}
}
USER_LOGIN_SCHEMA.pop("$defs")
