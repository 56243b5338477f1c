"""Routes that manage the tokens of an account and those below it: list, create, rotate, revoke."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cdr_pipeline.api.answers import answer, request_id, response_type
from cdr_pipeline.api.auth import Caller, administrator
from cdr_pipeline.api.bodies import parsed, read_small
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.documentation.tokens import NEW_TOKEN, REVOKED_TOKEN, ROTATED_TOKEN, TOKENS
from cdr_pipeline.api.envelope import JSON, success
from cdr_pipeline.api.models.tokens import ManagedToken, NewToken, RotationRequest, TokenWishRequest
from cdr_pipeline.api.refusals import no_such
from cdr_pipeline.api.service import service_of
from cdr_pipeline.steps.accounts.api_tokens import (
    CreatedToken,
    TokenRequest,
    create_token,
    revoke_token,
    rotate_token,
    tokens_below,
)
from cdr_pipeline.warehouse.accounts.tokens import Token

router = APIRouter(tags=["tokens"])
Administrator = Annotated[Caller, Depends(administrator)]


@router.get("/accounts/{account_id}/tokens", summary="List tokens", **described(TOKENS))
async def list_tokens(request: Request, caller: Administrator) -> Response:
    """Tokens of an account and those below it, with their last use; never the tokens themselves."""
    media = response_type(request)
    service = service_of(request)
    await service.record_use_of_tokens()
    tokens = await service.read(tokens_below, caller.account.account_id)
    return answer(request, media, [_shown(token) for token in tokens], name="tokens")


@router.put("/accounts/{account_id}/tokens", status_code=201, summary="Create a token", **described(NEW_TOKEN))
async def new_token(request: Request, caller: Administrator) -> Response:
    """Creates a token for an account and those below it; it is shown once."""
    response_type(request)
    wish = parsed(TokenWishRequest, await read_small(request)).data
    wanted = TokenRequest(caller.account.account_id, wish.scope, wish.label, wish.days)
    return _created(request, await service_of(request).act(create_token, wanted))


@router.put(
    "/accounts/{account_id}/tokens/{token_id}/rotate",
    status_code=201,
    summary="Replace a token",
    **described(ROTATED_TOKEN),
)
async def rotate(request: Request, caller: Administrator, token_id: str) -> Response:
    """Creates a token like another one, which expires after an overlap in which both are valid."""
    response_type(request)
    wanted = parsed(RotationRequest, await read_small(request)).data
    token = await _alive(request, caller, token_id)
    overlap = timedelta(hours=wanted.overlap_hours)
    return _created(request, await service_of(request).act(rotate_token, token, overlap))


@router.delete("/accounts/{account_id}/tokens/{token_id}", summary="Revoke a token", **described(REVOKED_TOKEN))
async def revoke(request: Request, caller: Administrator, token_id: str) -> Response:
    """Revokes a token and those that were requested with it."""
    media, token = response_type(request), await _alive(request, caller, token_id)
    await service_of(request).act(revoke_token, token.token_id)
    return answer(request, media, _shown(token), name="token")


async def _alive(request: Request, caller: Caller, token_id: str) -> Token:
    """The valid token of an id in the account's subtree. Raises RequestRefused: 404."""
    service = service_of(request)
    tokens = await service.read(tokens_below, caller.account.account_id)
    found = [token for token in tokens if token.token_id == token_id and token.alive(service.ctx.clock())]
    if not found:
        raise no_such("bad_identifier", {"cause": token_id, "message": "bad identifier"})
    return found[0]


def _created(request: Request, created: CreatedToken) -> Response:
    body = NewToken.model_validate(asdict(created)).model_dump(mode="json")
    return Response(success(body, request_id(request)), 201, media_type=JSON)


def _shown(token: Token) -> dict[str, object]:
    return ManagedToken.model_validate(asdict(token)).model_dump(mode="json")
