"""Routes of tokens: request one with an API key, inspect it, revoke it."""

from datetime import timedelta
from typing import Any, Final, cast

import orjson
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from cdr_pipeline.api.answers import answer, request_id, response_type
from cdr_pipeline.api.auth import authenticate
from cdr_pipeline.api.bodies import read_small
from cdr_pipeline.api.documentation import LOGIN, TOKEN, described
from cdr_pipeline.api.envelope import JSON, success
from cdr_pipeline.api.negotiation import BODY_JSON, body_form
from cdr_pipeline.api.refusals import no_such, parse_error, unauthorized, unsupported
from cdr_pipeline.api.responses import LoginBody, TokenBody
from cdr_pipeline.api.service import service_of
from cdr_pipeline.steps.accounts.api_tokens import issue_token, revoke_token
from cdr_pipeline.warehouse.accounts.tokens import Token

router = APIRouter(tags=["tokens"])
# Lifetime of a token, as on the switch.
_LIFE: Final = timedelta(hours=1)
_LONGEST_KEY: Final = 4_096
# A login counts as several requests, as on the switch, to slow down attempts to guess keys.
_COST: Final = 5.0


@router.put("/api_auth", status_code=201, summary="Request a token with an API key", **described(LOGIN))
async def api_auth(request: Request) -> Response:
    """Exchanges an API key (a token of ``cdr-pipeline tokens create``) for a token that is valid for one hour."""
    service = service_of(request)
    if body_form(request.headers.get("content-type")) != "json":
        raise unsupported(BODY_JSON)
    key = _key_of(await read_small(request))
    service.rates.require_unsuspected(request, key)
    grant = await service.records.authorize(key, None)
    now = service.ctx.clock()
    if grant is None or not grant.token.alive(now):
        service.rates.note_failure(request)
        raise no_such("bad identifier", ["api_key"]) if grant is None else unauthorized()
    request.state.token_id = grant.token.token_id
    service.rates.take(request, grant.token.account_id, _COST)
    token = await run_in_threadpool(issue_token, grant.token, min(now + _LIFE, grant.token.expires_at), service.ctx)
    data = LoginBody(account_id=grant.token.account_id, scope=grant.token.scope)
    body = success(data.model_dump(), request_id(request), auth_token=token)
    return Response(body, 201, media_type=JSON)


@router.get("/token_auth", summary="The token of the request", **described(TOKEN))
async def token_auth(request: Request) -> Response:
    """Accounts and scope of the request's token, and when it expires."""
    media = response_type(request)
    token, _ = await authenticate(request)
    return answer(request, media, _description(token), name="token")


@router.delete("/token_auth", summary="Revoke the token", **described(TOKEN))
async def revoke_own_token(request: Request) -> Response:
    """Revokes the token of the request."""
    media = response_type(request)
    token, _ = await authenticate(request)
    service = service_of(request)
    await run_in_threadpool(revoke_token, token.token_id, service.ctx)
    return answer(request, media, _description(token), name="token")


def _description(token: Token) -> dict[str, Any]:
    body = TokenBody(
        account_id=token.account_id, token_id=token.token_id, scope=token.scope, expires_at=token.expires_at
    )
    return body.model_dump() | {"expires_at": token.expires_at.isoformat()}


def _key_of(body: bytes) -> str:
    try:
        data = orjson.loads(body)["data"]
        key = cast("object", data["api_key"])
    except (ValueError, KeyError, TypeError, IndexError):
        raise parse_error() from None
    if not isinstance(key, str) or not 1 <= len(key) <= _LONGEST_KEY:
        raise parse_error()
    return key
