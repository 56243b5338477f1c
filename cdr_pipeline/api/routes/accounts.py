"""Routes of accounts: one account, its children, all its descendants."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cdr_pipeline.api.answers import COMMON_PARAMETERS, answer, json_answer, request_id, response_type
from cdr_pipeline.api.auth import Caller, reader
from cdr_pipeline.api.documentation.accounts import ACCOUNT, ACCOUNTS, NOTHING, TREE
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.envelope import success
from cdr_pipeline.api.models.accounts import AccountAbove, AccountBody, AccountNode
from cdr_pipeline.api.negotiation import form_of
from cdr_pipeline.api.parameters import StartQuery, parameters_of
from cdr_pipeline.api.refusals import bad_cursor
from cdr_pipeline.api.service import service_of

router = APIRouter(tags=["accounts"])
Reader = Annotated[Caller, Depends(reader)]
_WHOLE: Final = 100_000
_LONGEST_ID: Final = 64
_KNOWN: Final = COMMON_PARAMETERS | set(StartQuery.model_fields)


@router.get("/accounts/{account_id}", summary="An account", **described(ACCOUNT))
async def account(request: Request, caller: Reader) -> Response:
    """Name and time zone of an account."""
    item = caller.account
    body = AccountBody(id=item.account_id, name=item.name, realm=item.realm, timezone=item.time_zone)
    return answer(request, response_type(request), body.model_dump(), name="account")


@router.get("/accounts/{account_id}/children", summary="Accounts of the next level", **described(ACCOUNTS))
async def children(request: Request, caller: Reader) -> Response:
    """Direct children of an account."""
    return await _below(request, caller, deep=False)


@router.get("/accounts/{account_id}/descendants", summary="Accounts below", **described(ACCOUNTS))
async def descendants(request: Request, caller: Reader) -> Response:
    """All accounts below an account."""
    return await _below(request, caller, deep=True)


@router.get("/accounts/{account_id}/tree", summary="Accounts above", **described(TREE))
async def tree(request: Request, caller: Reader) -> Response:
    """Accounts above an account that the token covers, from the top."""
    above = await service_of(request).records.ancestors(caller.account.account_id, caller.token.account_id)
    rows = [AccountAbove(id=row["account_id"], name=row["name"]).model_dump() for row in above]
    return answer(request, response_type(request), rows, name="tree")


@router.get("/accounts/{account_id}/users", summary="Users", dependencies=[Depends(reader)], **described(NOTHING))
async def users(request: Request) -> Response:
    """An empty list: users of the switch are not collected."""
    return _nothing(request)


@router.get("/accounts/{account_id}/devices", summary="Devices", dependencies=[Depends(reader)], **described(NOTHING))
async def devices(request: Request) -> Response:
    """An empty list: devices of the switch are not collected."""
    return _nothing(request)


def _nothing(request: Request) -> Response:
    return answer(request, response_type(request, None), [], name="list")


async def _below(request: Request, caller: Caller, *, deep: bool) -> Response:
    media = response_type(request, _KNOWN)
    wanted = parameters_of(StartQuery, request)
    complete = request.url.path.startswith("/v1/") or not wanted.paginate
    paged = not complete and form_of(media) == "json"
    after = wanted.start_key or "" if paged else ""
    if len(after) > _LONGEST_ID or "\x00" in after:
        raise bad_cursor()
    limit = wanted.page_size if paged else _WHOLE
    accounts = await service_of(request).records.children(
        caller.account.account_id, deep=deep, after=after, limit=limit + 1
    )
    rows = [
        AccountNode(
            id=row["account_id"], name=row["name"], realm=row["realm"], tree=row["tree"], timezone=row["time_zone"]
        ).model_dump()
        for row in accounts[:limit]
    ]
    if form_of(media) == "csv":
        return answer(request, media, rows, name="accounts")
    more: dict[str, object] = {"page_size": len(rows)}
    if len(accounts) > limit:
        more["next_start_key"] = rows[-1]["id"]
    return json_answer(request, success(rows, request_id(request), **more))
