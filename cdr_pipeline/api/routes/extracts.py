"""Routes of extracts: request a file of records of any period, follow it, download it, delete it."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, Response

from cdr_pipeline.api.answers import answer, response_type
from cdr_pipeline.api.auth import Caller, reader
from cdr_pipeline.api.bodies import parsed, read_small
from cdr_pipeline.api.documentation.extracts import EXTRACT, EXTRACT_FILE, EXTRACTS, NEW_EXTRACT
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.extract_maker import extract_maker_of
from cdr_pipeline.api.extract_requests import CONTROLS, extract_search, kept_request, new_request, query_of
from cdr_pipeline.api.files import file_response
from cdr_pipeline.api.filters.conditions import known_names, unknown_in
from cdr_pipeline.api.list_search import require_few
from cdr_pipeline.api.models.extracts import ExtractWishRequest
from cdr_pipeline.api.parameters import idempotency_key, refuse_unknown
from cdr_pipeline.api.refusals import conflict, forbidden, in_flight, other_request, too_many
from cdr_pipeline.api.service import service_of
from cdr_pipeline.exports.extract_file import media_of, suffix_of
from cdr_pipeline.steps.records.extracts import (
    delete_extract,
    extract_of,
    extracts_of,
    file_of,
    request_extract,
    shown,
    state_of,
)
from cdr_pipeline.warehouse.records.extracts import Extract

router = APIRouter(tags=["extracts"])
Reader = Annotated[Caller, Depends(reader)]

# Seconds after which a client asks again.
_RETRY_SECONDS: Final = 5
_FULL_RETRY_SECONDS: Final = 60
_UNFINISHED: Final = ("waiting", "running")


@router.post("/accounts/{account_id}/extracts", status_code=202, summary="Request an extract", **described(NEW_EXTRACT))
async def post_extract(request: Request, caller: Reader) -> Response:
    """Requests a file of records, of a period of any length, with the parameters of the lists."""
    return await _requested(request, caller)


@router.put("/accounts/{account_id}/extracts", status_code=202, summary="Request an extract", **described(NEW_EXTRACT))
async def put_extract(request: Request, caller: Reader) -> Response:
    """Requests a file of records, of a period of any length, with the parameters of the lists."""
    return await _requested(request, caller)


@router.get("/accounts/{account_id}/extracts", summary="List extracts", **described(EXTRACTS))
async def list_extracts(request: Request, caller: Reader) -> Response:
    """Extracts of an account, newest first; those that a token of an account above has requested are left out."""
    media, owners = response_type(request), await _owners(request, caller)
    extracts = await service_of(request).read(extracts_of, caller.account.account_id, owners)
    return answer(request, media, extracts, name="extracts")


@router.get("/accounts/{account_id}/extracts/{extract_id}", summary="State of an extract", **described(EXTRACT))
async def extract_state(request: Request, caller: Reader, extract_id: str) -> Response:
    """State of an extract, with its rows so far."""
    media, extract = response_type(request), await _known(request, caller, extract_id)
    now = service_of(request).ctx.clock()
    response = answer(request, media, shown(extract, now), name="extract")
    if state_of(extract, now) in _UNFINISHED:
        response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return response


@router.get(
    "/accounts/{account_id}/extracts/{extract_id}/file",
    summary="Download an extract",
    response_class=FileResponse,
    **described(EXTRACT_FILE),
)
async def extract_file(request: Request, caller: Reader, extract_id: str) -> Response:
    """The file of an extract that is ready, or a range of its bytes. X-Content-SHA256 is the sha256 of the whole."""
    extract = await _known(request, caller, extract_id)
    service = service_of(request)
    state = state_of(extract, service.ctx.clock())
    if state in _UNFINISHED:
        raise conflict(
            "extract_not_ready", "the file is not complete yet", retry_seconds=_RETRY_SECONDS, state=state
        )  # fmt: skip
    if state == "failed":
        raise conflict("extract_failed", "the file was not made; the state of the extract has the cause", state=state)
    path = await service.read(file_of, extract)
    period = f"_{extract.first_moment:%Y-%m-%d}_{extract.last_moment:%Y-%m-%d}" if extract.first_moment else ""
    return await file_response(
        path,
        name=f"cdrs_{extract.account_id}{period}{suffix_of(extract.form, extract.compression)}",
        media=media_of(extract.form, extract.compression),
        sha256=extract.sha256 or "",
    )


@router.delete(
    "/accounts/{account_id}/extracts/{extract_id}", summary="Cancel or delete an extract", **described(EXTRACT)
)
async def remove_extract(request: Request, caller: Reader, extract_id: str) -> Response:
    """Cancels an extract, or deletes its file. Needs the token that requested it, or one with the scope admin."""
    media, extract = response_type(request), await _known(request, caller, extract_id)
    if extract.token_id != caller.token.token_id and caller.token.scope != "admin":
        raise forbidden("admin")
    deleted = await service_of(request).act(delete_extract, extract)
    return answer(request, media, deleted, name="extract")


async def _requested(request: Request, caller: Caller) -> Response:
    media, key = response_type(request), idempotency_key(request)
    wish = parsed(ExtractWishRequest, await read_small(request)).data
    kept = kept_request(wish, above=caller.is_above)
    query, service = query_of(kept), service_of(request)
    require_few(query, CONTROLS)
    refuse_unknown(request, unknown_in(query, CONTROLS), known_names(CONTROLS))
    search = extract_search(kept, caller.account, service.ctx.clock())
    wanted = new_request(
        wish, kept, search, owner_id=caller.token.account_id, token_id=caller.token.token_id, key=key
    )  # fmt: skip
    reply = await service.act(request_extract, wanted, seconds=service.ctx.settings.serve_search_seconds)
    match reply.outcome:
        case "working":
            raise in_flight(_RETRY_SECONDS)
        case "other":
            raise other_request()
        case "full":
            raise too_many(_FULL_RETRY_SECONDS, "too many extracts of this account wait to be made")
        case "no_space":
            most = service.ctx.settings.serve_extract_bytes
            raise conflict(
                "extracts_full", f"files of extracts have {most} bytes or more: delete one, or wait until one expires"
            )
        case "accepted":
            pass
    extract = reply.extract or {}
    extract_maker_of(request).wake()
    response = answer(request, media, extract, status=202, name="extract")
    response.headers["Location"] = f"{request.url.path}/{extract['extract_id']}"
    response.headers["Retry-After"] = str(_RETRY_SECONDS)
    if reply.repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return response


async def _known(request: Request, caller: Caller, extract_id: str) -> Extract:
    owners = await _owners(request, caller)
    return await service_of(request).read(extract_of, caller.account.account_id, owners, extract_id)


async def _owners(request: Request, caller: Caller) -> list[str]:
    """Accounts whose extracts the token may see. One that an account above requested can have a reseller's amounts."""
    account_id, top = caller.account.account_id, caller.token.account_id
    above = await service_of(request).records.ancestors(account_id, top) if caller.is_above else []
    return [account_id, *(account["account_id"] for account in above)]
