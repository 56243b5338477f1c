"""Routes of tokens: request one with an API key, inspect it, revoke it."""

from dataclasses import asdict
from typing import Any, Final, cast

import orjson
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from cdr_pipeline.api.answers import answer, request_id, response_type
from cdr_pipeline.api.auth import authenticate
from cdr_pipeline.api.bodies import read_small
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.documentation.tokens import LOGIN, TOKEN, USER_LOGIN
from cdr_pipeline.api.envelope import JSON, success
from cdr_pipeline.api.models.logins import LoginBody, UserLogin, UserLoginRequest
from cdr_pipeline.api.models.tokens import TokenBody
from cdr_pipeline.api.negotiation import BODY_JSON, body_form
from cdr_pipeline.api.refusals import invalid, invalid_model, no_such, parse_error, unauthorized, unsupported
from cdr_pipeline.api.service import service_of
from cdr_pipeline.steps.accounts.api_tokens import issue_token, revoke_token
from cdr_pipeline.steps.accounts.user_logins import TOKEN_LIFE, LoggedIn, PasswordLogin, log_in
from cdr_pipeline.warehouse.accounts.tokens import Token

router = APIRouter(tags=["tokens"])
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
    service.rates.take(request, grant.token.account_id, cost=_COST)
    expires_at = min(now + TOKEN_LIFE, grant.token.expires_at)
    return _login_answer(request, await run_in_threadpool(issue_token, grant.token, expires_at, service.ctx))


@router.put("/user_auth", status_code=201, summary="Request a token with name and password", **described(USER_LOGIN))
async def user_auth(request: Request) -> Response:
    """Exchanges name and password of a user of the console for a token of an account, valid for one hour.

    ``credentials`` is the MD5 or SHA-1 digest of "name:password", as clients of a switch send it.
    """
    service = service_of(request)
    if body_form(request.headers.get("content-type")) != "json":
        raise unsupported(BODY_JSON)
    login = _user_login_of(await read_small(request))
    credentials = login.credentials.lower()
    service.rates.require_unsuspected(request, credentials)
    wanted = PasswordLogin(credentials, login.account_name or None, login.account_realm or login.realm or None)
    async with service.logins:
        logged_in = await run_in_threadpool(log_in, wanted, service.ctx)
    if logged_in is None:
        service.rates.note_failure(request)
        raise unauthorized()
    service.rates.note_success(credentials)
    service.rates.take(request, logged_in.account_id, cost=_COST)
    return _login_answer(request, logged_in)


def _login_answer(request: Request, logged_in: LoggedIn) -> Response:
    values = asdict(logged_in)
    token = values.pop("token")
    body = success(LoginBody(**values).model_dump(), request_id(request), auth_token=token)
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


def _user_login_of(body: bytes) -> UserLogin:
    """The login of a body. Raises RequestRefused: 400, which names the fields and repeats no value."""
    try:
        login = UserLoginRequest.model_validate_json(body).data
    except ValidationError as error:
        if any(fault["type"] == "json_invalid" for fault in error.errors()):
            raise parse_error() from None
        raise invalid_model(error, "body") from None
    if not (login.account_name or login.account_realm or login.realm):
        raise invalid("data.account_name", "required", "must have account_name or account_realm")
    return login


def _key_of(body: bytes) -> str:
    try:
        data = orjson.loads(body)["data"]
        key = cast("object", data["api_key"])
    except (ValueError, KeyError, TypeError, IndexError):
        raise parse_error() from None
    if not isinstance(key, str) or not 1 <= len(key) <= _LONGEST_KEY:
        raise parse_error()
    return key
