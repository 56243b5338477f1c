"""Who asks: the token of a request, looked up at every request, and the account of the path within its subtree."""

import secrets
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from cdr_pipeline.api.refusals import conflicting_tokens, forbidden, no_account, unauthorized
from cdr_pipeline.api.service import service_of
from cdr_pipeline.errors import RequestRefused
from cdr_pipeline.warehouse.accounts.tokens import Scope, Token
from cdr_pipeline.warehouse.ledger import Account

_INCLUDES: Final[dict[Scope, frozenset[Scope]]] = {
    "read": frozenset(("read",)),
    "upload": frozenset(("read", "upload")),
    "admin": frozenset(("read", "upload", "admin")),
}
# Tokens of the switch are longer than ours; nothing longer than this is looked up.
_LONGEST: Final = 4_096
_UNAUTHORIZED: Final = 401
_BEARER: Final = "bearer "
IN_QUERY: Final = "auth_token"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authorised request."""

    token: Token
    account: Account


def token_of(request: Request) -> str:
    """The token of a request: X-Auth-Token, Authorization: Bearer, or, as the seed has it, auth_token in the query.

    Raises:
        RequestRefused: 401 there is none; 400 there are different ones.
    """
    found = [value.strip() for value in request.headers.getlist("x-auth-token")]
    for value in request.headers.getlist("authorization"):
        if not value.lower().startswith(_BEARER):
            raise unauthorized()
        found.append(value[len(_BEARER) :].strip())
    in_query = request.query_params.getlist(IN_QUERY)
    request.state.token_in_query = bool(in_query)
    found += in_query
    if not found or not all(found) or any(len(token) > _LONGEST for token in found):
        raise unauthorized()
    if not all(secrets.compare_digest(token.encode(), found[0].encode()) for token in found[1:]):
        raise conflicting_tokens()
    return found[0]


async def authenticate(request: Request, account_id: str | None = None) -> tuple[Token, Account | None]:
    """The token, alive, and the account where it lies in the token's subtree.

    Raises:
        RequestRefused: 401; 429 after too many failures from one address.
        WarehouseUnavailable: nobody can be asked.
    """
    service = service_of(request)
    try:
        token = token_of(request)
        service.rates.require_unsuspected(request, token)
        found = await service.records.authorize(token, account_id)
        if found is None or not found.token.alive(service.ctx.clock()):
            raise unauthorized()
    except RequestRefused as refusal:
        if refusal.status == _UNAUTHORIZED:
            service.rates.note_failure(request)
        raise
    service.rates.note_success(token)
    request.state.token_id = found.token.token_id
    service.rates.take(found.token.token_id)
    return found.token, found.account


async def reader(request: Request, account_id: str) -> Caller:
    """Whoever may read the account of the path. Raises RequestRefused: 401, 404, 429."""
    return await _caller(request, account_id, "read")


async def uploader(request: Request, account_id: str) -> Caller:
    """Whoever may upload to the account of the path. Raises RequestRefused: 401, 403, 404, 429."""
    return await _caller(request, account_id, "upload")


async def _caller(request: Request, account_id: str, scope: Scope) -> Caller:
    token, account = await authenticate(request, account_id)
    if account is None:
        raise no_account(account_id)
    if scope not in _INCLUDES[token.scope]:
        raise forbidden(scope)
    return Caller(token, account)
