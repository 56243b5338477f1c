"""Authentication and authorization: the token of a request and its access to the account in the path."""

import secrets
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from cdr_pipeline.api.refusals import conflicting_tokens, forbidden, no_account, no_person, role_required, unauthorized
from cdr_pipeline.api.service import service_of
from cdr_pipeline.errors import RequestRefused
from cdr_pipeline.steps.accounts.users import Permission, SignedIn, user_of_token
from cdr_pipeline.warehouse.accounts.tokens import Scope, Token
from cdr_pipeline.warehouse.ledger import Account

_INCLUDES: Final[dict[Scope, frozenset[Scope]]] = {
    "read": frozenset(("read",)),
    "upload": frozenset(("read", "upload")),
    "admin": frozenset(("read", "upload", "admin")),
}
# Longest accepted token. Tokens of the switch are longer than ours.
_LONGEST: Final = 4_096
_UNAUTHORIZED: Final = 401
_BEARER: Final = "bearer "
IN_QUERY: Final = "auth_token"


@dataclass(frozen=True, slots=True)
class Caller:
    """Token and account of an authorized request."""

    token: Token
    account: Account

    @property
    def is_above(self) -> bool:
        """Whether the token is of an account above."""
        return self.token.account_id != self.account.account_id


def token_of(request: Request) -> str:
    """The token of a request.

    Read from ``X-Auth-Token``, ``Authorization: Bearer`` or, as in the Kazoo CDR API (2017 page), ``auth_token`` in
    the query.

    Raises:
        RequestRefused: 401, there is no token; 400, there are different tokens.
    """
    tokens = [value.strip() for value in request.headers.getlist("x-auth-token")]
    for value in request.headers.getlist("authorization"):
        if not value.lower().startswith(_BEARER):
            raise unauthorized()
        tokens.append(value[len(_BEARER) :].strip())
    in_query = request.query_params.getlist(IN_QUERY)
    request.state.token_in_query = bool(in_query)
    tokens += in_query
    if not tokens or not all(tokens) or any(len(token) > _LONGEST for token in tokens):
        raise unauthorized()
    if not all(secrets.compare_digest(token.encode(), tokens[0].encode()) for token in tokens[1:]):
        raise conflicting_tokens()
    return tokens[0]


async def authenticate_as(request: Request, text: str) -> Token:
    """The valid token that a request has in its body or in a parameter of its own. Raises RequestRefused: 401, 429."""
    token, _ = await authenticate(request, text=text)
    return token


async def authenticate(
    request: Request, account_id: str | None = None, *, text: str | None = None
) -> tuple[Token, Account | None]:
    """The valid token of a request, and the account if it is in the token's subtree.

    Args:
        request: the request.
        account_id: the requested account.
        text: the token; that of the request's headers or of ``auth_token`` when omitted.

    Raises:
        RequestRefused: 401, the token is missing or invalid; 429, too many requests or failures.
        WarehouseUnavailable: the warehouse cannot be reached.
    """
    service = service_of(request)
    try:
        token = token_of(request) if text is None else text
        service.rates.require_unsuspected(request, token)
        grant = await service.records.authorize(token, account_id)
        if grant is None or not grant.token.alive(service.ctx.clock()):
            raise unauthorized()
    except RequestRefused as refusal:
        if refusal.status == _UNAUTHORIZED:
            service.rates.note_failure(request)
        raise
    service.rates.note_success(token)
    request.state.token_id = grant.token.token_id
    service.used_tokens.add(grant.token.token_id)
    owner = grant.token.account_id
    above = service.rates.known_above(owner)
    if above is None:
        above = service.rates.note_above(owner, await service.records.sharing_limits(owner))
    service.rates.take(request, owner, above)
    return grant.token, grant.account


async def reader(request: Request, account_id: str) -> Caller:
    """Requires read access to the account in the path. Raises RequestRefused: 401, 404, 429."""
    return await _caller(request, account_id, "read")


async def uploader(request: Request, account_id: str) -> Caller:
    """Requires upload access to the account in the path. Raises RequestRefused: 401, 403, 404, 429."""
    return await _caller(request, account_id, "upload")


async def person(request: Request, caller: Caller, permission: Permission) -> SignedIn:
    """Requires that a user with this permission requested the token. Raises RequestRefused: 403."""
    user = await service_of(request).read(user_of_token, caller.token)
    if user is None or caller.account.account_id not in user.visible:
        raise no_person()
    if not user.may(permission):
        raise role_required(permission.value)
    return user


async def administrator(request: Request, account_id: str) -> Caller:
    """Requires a token that manages tokens. Raises RequestRefused: 401, 403, 404, 429."""
    return await _caller(request, account_id, "admin")


async def _caller(request: Request, account_id: str, scope: Scope) -> Caller:
    token, account = await authenticate(request, account_id)
    if account is None:
        raise no_account(account_id)
    if scope not in _INCLUDES[token.scope]:
        raise forbidden(scope)
    return Caller(token, account)
