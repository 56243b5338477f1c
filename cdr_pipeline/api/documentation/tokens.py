"""The OpenAPI document about tokens and logins."""

from typing import Final

from cdr_pipeline.api import examples
from cdr_pipeline.api.documentation.groups import ACCEPT, Group, Schema, body_of
from cdr_pipeline.api.models.envelopes import enveloped
from cdr_pipeline.api.models.logins import LOGIN_SCHEMA, TOKEN_INFO_SCHEMA, USER_LOGIN_SCHEMA, LoginBody, LoginEnvelope
from cdr_pipeline.api.models.tokens import ROTATION_SCHEMA, TOKEN_SCHEMA, ManagedToken, NewToken, TokenBody

_OPEN: Final[Schema] = {"security": []}
TOKEN: Final = Group(enveloped("TokenDetail", TokenBody), [ACCEPT], example=examples.TOKEN)
TOKENS: Final = Group(
    enveloped("ManagedTokens", list[ManagedToken]), [ACCEPT], example=[examples.MANAGED_TOKEN], codes=(403,)
)
NEW_TOKEN: Final = Group(
    enveloped("TokenCreated", NewToken),
    [],
    example=examples.CREATED_TOKEN,
    codes=(403, 408, 413),
    status=201,
    csv=False,
    extra=body_of(TOKEN_SCHEMA, {"scope": "read", "label": "billing", "days": 365}),
)
ROTATED_TOKEN: Final = Group(
    enveloped("TokenRotated", NewToken),
    [],
    example=examples.CREATED_TOKEN,
    codes=(403, 408, 413),
    status=201,
    csv=False,
    extra=body_of(ROTATION_SCHEMA, {"overlap_hours": 24}),
)
REVOKED_TOKEN: Final = Group(
    enveloped("TokenRevoked", ManagedToken), [ACCEPT], example=examples.MANAGED_TOKEN, codes=(403,)
)
LOGIN: Final = Group(
    enveloped("Login", LoginBody, LoginEnvelope),
    [],
    example=examples.LOGIN,
    more=examples.NEW_TOKEN,
    codes=(408, 413, 415),
    status=201,
    csv=False,
    extra=_OPEN | body_of(LOGIN_SCHEMA, {"api_key": "0123456789abcdef"}),
)
USER_LOGIN: Final = Group(
    enveloped("UserLogin", LoginBody, LoginEnvelope),
    [],
    example=examples.LOGIN,
    more=examples.NEW_TOKEN,
    codes=(408, 413, 415),
    status=201,
    csv=False,
    extra=_OPEN
    | body_of(USER_LOGIN_SCHEMA, {"credentials": "5f4dcc3b5aa765d61d8327deb882cf99", "account_name": "Example"}),
)
TOKEN_INFO: Final = Group(
    enveloped("TokenInfo", LoginBody, LoginEnvelope),
    [
        {
            "name": "token", "in": "query", "required": True, "description": "the token",
            "schema": {"type": "string", "minLength": 1, "maxLength": 4_096}, "example": "8c6976e5b5410415",
        }
    ],
    example=examples.LOGIN,
    more=examples.NEW_TOKEN,
    csv=False,
    extra=_OPEN,
)  # fmt: skip
TOKEN_INFO_BODY: Final = Group(
    enveloped("PostedTokenInfo", LoginBody, LoginEnvelope),
    [],
    example=examples.LOGIN,
    more=examples.NEW_TOKEN,
    codes=(408, 413),
    csv=False,
    extra=_OPEN | body_of(TOKEN_INFO_SCHEMA, {"token": "8c6976e5b5410415"}),
)
