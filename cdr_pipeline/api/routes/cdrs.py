"""Routes of records: lists, details, interactions, legs and summaries."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cdr_pipeline.api.answers import (
    COMMON_PARAMETERS,
    answer,
    csv_stream,
    json_answer,
    json_stream,
    lines_stream,
    request_id,
    response_type,
    written_stream,
)
from cdr_pipeline.api.auth import Caller, reader
from cdr_pipeline.api.cursors import Cursor, decode_cursor, encode_cursor, search_digest
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.documentation.records import DETAIL, INTERACTIONS, LEGS, LIST, SUMMARY
from cdr_pipeline.api.envelope import listed
from cdr_pipeline.api.filters.conditions import known_names, unknown_in
from cdr_pipeline.api.list_search import CONTROLS, PAGING, ListedRecords, require_few, search_of
from cdr_pipeline.api.negotiation import form_of
from cdr_pipeline.api.parameters import (
    LARGEST_PAGE,
    ListQuery,
    page_size_fault,
    parameters_of,
    refuse_unknown,
)
from cdr_pipeline.api.refusals import invalid, no_such
from cdr_pipeline.api.service import service_of
from cdr_pipeline.core.records.search import Clock, InstantRange, Search
from cdr_pipeline.exports.record_lists import ArrowList, ListWriter, WorkbookList

router = APIRouter(tags=["records"])
Reader = Annotated[Caller, Depends(reader)]

_CDR_ID_PREFIX: Final = 6
_WRITERS: Final[Mapping[str, Callable[[], ListWriter]]] = MappingProxyType({"arrow": ArrowList, "xlsx": WorkbookList})


@router.get("/accounts/{account_id}/cdrs", summary="List records", **described(LIST))
async def list_records(request: Request, caller: Reader) -> Response:
    """Records of an account by save time, newest first; in pages on v2, complete on v1 and as CSV."""
    return await _list(request, caller, "saved_at")


@router.get("/accounts/{account_id}/users/{user_id}/cdrs", summary="List a user's records", **described(LIST))
async def list_user_records(request: Request, caller: Reader, user_id: str) -> Response:
    """Records of the devices of one user."""
    return await _list(request, caller, "saved_at", user_id=user_id)


@router.get("/accounts/{account_id}/cdrs/interaction", summary="List interactions", **described(INTERACTIONS))
async def list_interactions(request: Request, caller: Reader) -> Response:
    """First leg of each interaction whose first leg started in a period."""
    return await _list(request, caller, "started_at", interactions=True)


@router.get(
    "/accounts/{account_id}/users/{user_id}/cdrs/interaction",
    summary="List a user's interactions",
    **described(INTERACTIONS),
)
async def list_user_interactions(request: Request, caller: Reader, user_id: str) -> Response:
    """First leg of each interaction of one user's devices."""
    return await _list(request, caller, "started_at", user_id=user_id, interactions=True)


@router.get("/accounts/{account_id}/cdrs/legs/{leg_id:path}", summary="Legs of an interaction", **described(LEGS))
async def legs(request: Request, caller: Reader, leg_id: str) -> Response:
    """Detail documents of all legs of an interaction, by its id or by that of one leg, oldest first."""
    media = response_type(request)
    documents = await service_of(request).records.legs(caller.account.account_id, leg_id)
    if not documents:
        raise no_such("could not find legs for supplied id")
    return answer(request, media, documents, name="legs")


@router.get("/accounts/{account_id}/cdrs/summary", summary="Seconds by rate and kind of number", **described(SUMMARY))
async def summary(request: Request, caller: Reader) -> Response:
    """Billed seconds by direction, far side, kind of number and rate; each leg counts once."""
    media = response_type(request, None)
    search = _search(request, caller, "saved_at")
    rows = await service_of(request).records.summary(search)
    if form_of(media) == "csv":
        return answer(request, media, [{key: str(value or "") for key, value in row.items()} for row in rows])
    data: dict[str, Any] = {}
    for row in rows:
        kinds = data.setdefault(row["direction"], {}).setdefault(row["domain"], {})
        rates = kinds.setdefault(row["classifier"], {"total": 0})
        seconds = int(row["seconds"])
        rates["total"] += seconds
        if row["rate_name"]:
            rates[row["rate_name"]] = rates.get(row["rate_name"], 0) + seconds
    return answer(request, media, data)


@router.get("/accounts/{account_id}/cdrs/{cdr_id:path}", summary="Detail of a record", **described(DETAIL))
async def detail(request: Request, caller: Reader, cdr_id: str) -> Response:
    """The detail document of one record; its timestamp is the end of the leg."""
    media = response_type(request)
    document = await service_of(request).records.record(caller.account.account_id, cdr_id)
    if document is None:
        if cdr_id[:_CDR_ID_PREFIX].isdigit() and cdr_id[_CDR_ID_PREFIX : _CDR_ID_PREFIX + 1] == "-":
            raise no_such("bad_identifier", {"cause": cdr_id, "message": "bad identifier"})
        raise no_such("could not find cdr with supplied id")
    return answer(request, media, document, name="cdr")


async def _list(
    request: Request, caller: Caller, clock: Clock, *, user_id: str | None = None, interactions: bool = False
) -> Response:
    media = response_type(request, None, lines=True)
    records = service_of(request).records
    query = parameters_of(ListQuery, request)
    complete = request.url.path.startswith("/v1/") or not query.paginate
    if not complete and query.page_size > LARGEST_PAGE:
        raise invalid("page_size", "range", page_size_fault(LARGEST_PAGE).message())
    search = _search(request, caller, clock, user_id=user_id, interactions=interactions)
    if form_of(media) == "csv":
        return await csv_stream(request, media, records.csv_rows(search), "cdrs")
    if form_of(media) == "json_lines":
        return await lines_stream(records.json_rows(search))
    if form_of(media) in _WRITERS:
        return await written_stream(request, media, _WRITERS[form_of(media)](), records.csv_rows(search))
    if complete:
        return await json_stream(request, records.json_rows(search))
    return await _page(request, caller, search, query.page_size)


async def _page(request: Request, caller: Caller, search: Search, size: int) -> Response:
    """One page. All pages of a list use the period of the first page, and show what it could show."""
    records = service_of(request).records
    secret = await records.cursor_secret()
    parameters = [item for item in request.query_params.multi_items() if item[0] not in COMMON_PARAMETERS | PAGING]
    digest = search_digest(caller.account.account_id, request.url.path, parameters)
    start = None
    if "start_key" in request.query_params:
        cursor = decode_cursor(request.query_params["start_key"], digest, secret)
        start = cursor.key
        search = replace(search, known_at=cursor.known_at)
        if search.span is not None:
            search = replace(search, span=InstantRange(search.clock, cursor.first, cursor.last))
    page = await records.page(search, size=size, start=start)
    known_at = search.known_at or service_of(request).ctx.clock()
    keys = {"start_key": page.first, "next_start_key": page.following}
    first, last = (search.span.first, search.span.last) if search.span else (known_at, known_at)
    cursors = {
        name: None if key is None else encode_cursor(Cursor(key, known_at, first, last), digest, secret)
        for name, key in keys.items()
    }
    body = listed(
        page.rows,
        request_id(request),
        keys={"start_key": cursors["start_key"], "page_size": str(len(page.rows))}
        | {"next_start_key": cursors["next_start_key"]},
    )
    return json_answer(request, body)


def _search(
    request: Request, caller: Caller, clock: Clock, *, user_id: str | None = None, interactions: bool = False
) -> Search:
    """The search of a request. Raises RequestRefused: 400 with field and rule."""
    query = request.query_params
    require_few(query, CONTROLS)
    refuse_unknown(request, unknown_in(query, CONTROLS), known_names(CONTROLS))
    listed_records = ListedRecords(clock, user_id, interactions, above=caller.is_above)
    return search_of(query, listed_records, caller.account, service_of(request).ctx.clock())
