"""What portals of a switch such as Monster UI need besides records: whose token it is, the user, apps of the portal."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cdr_pipeline.api.answers import COMMON_PARAMETERS, answer, json_answer, request_id, response_type
from cdr_pipeline.api.auth import Caller, authenticate_as, reader
from cdr_pipeline.api.bodies import parsed, read_small
from cdr_pipeline.api.documentation.accounts import PORTAL_APPS, PORTAL_USER
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.documentation.tokens import TOKEN_INFO, TOKEN_INFO_BODY
from cdr_pipeline.api.envelope import success
from cdr_pipeline.api.models.logins import LoginBody, PortalApp, PortalUser, TokenInfoRequest
from cdr_pipeline.api.refusals import no_such
from cdr_pipeline.api.service import service_of
from cdr_pipeline.steps.accounts.api_tokens import describe_token
from cdr_pipeline.steps.accounts.users import Permission, user_of_token

router = APIRouter(tags=["tokens"])
Reader = Annotated[Caller, Depends(reader)]


@router.get("/auth/tokeninfo", summary="What a login was answered", **described(TOKEN_INFO))
async def token_info(request: Request) -> Response:
    """The answer to the login that a token comes from, for pages that are loaded again."""
    response_type(request, COMMON_PARAMETERS | {"token"})
    token = request.query_params.get("token")
    if not token:
        raise no_such("bad_identifier", {"message": "missing token in params"})
    request.state.token_in_query = True
    return await _token_info(request, token)


@router.post("/auth/tokeninfo", summary="What a login was answered", **described(TOKEN_INFO_BODY))
async def posted_token_info(request: Request) -> Response:
    """The same, with the token in the body instead of the URL."""
    response_type(request)
    return await _token_info(request, parsed(TokenInfoRequest, await read_small(request)).data.token)


async def _token_info(request: Request, text: str) -> Response:
    token = await authenticate_as(request, text)
    info = await service_of(request).read(describe_token, token)
    body = LoginBody(
        account_id=info.account_id,
        account_name=info.account_name,
        scope=info.scope,
        owner_id=info.owner_id,
        reseller_id=info.reseller_id,
        is_reseller=info.is_reseller,
    )
    return json_answer(request, success(body.model_dump(), request_id(request), auth_token=text))


@router.get(
    "/accounts/{account_id}/users/{user_id}", summary="The user of the token", tags=["accounts"],
    **described(PORTAL_USER),
)  # fmt: skip
async def own_user(request: Request, caller: Reader, user_id: str) -> Response:
    """The user of the console who requested the token. Other users are not shown; those of a switch are not known."""
    media = response_type(request)
    user = await service_of(request).read(user_of_token, caller.token)
    if user is None or user.user_id != user_id:
        raise no_such("bad_identifier", {"message": "bad identifier", "cause": user_id})
    body = PortalUser(
        id=user.user_id,
        username=user.name,
        first_name=user.name,
        last_name="",
        enabled=True,
        priv_level="admin" if user.may(Permission.OPERATE) else "user",
        timezone=caller.account.time_zone,
    )
    return answer(request, media, body.model_dump(), name="user")


@router.get(
    "/accounts/{account_id}/apps_store", summary="Apps of the portal", tags=["accounts"],
    dependencies=[Depends(reader)], **described(PORTAL_APPS),
)  # fmt: skip
async def apps(request: Request) -> Response:
    """Apps of Monster UI that its users may open, by setting."""
    names = service_of(request).ctx.settings.portal_apps
    rows = [PortalApp(id=name, name=name, i18n={"en-US": {"label": name, "description": ""}}) for name in names]
    return answer(request, response_type(request), [row.model_dump() for row in rows], name="apps")
