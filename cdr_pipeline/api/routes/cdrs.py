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
from cdr_pipeline.api.documentation import DETAIL, INTERACTIONS, LEGS, LIST, SUMMARY, described
from cdr_pipeline.api.envelope import listed
from cdr_pipeline.api.filters import MOST_PARAMETERS, conditions_of, known_names, unknown_in
from cdr_pipeline.api.negotiation import form_of
from cdr_pipeline.api.parameters import (
    LARGEST_PAGE,
    ColumnsQuery,
    ListQuery,
    page_size_fault,
    parameters_of,
    refuse_unknown,
)
from cdr_pipeline.api.refusals import invalid, no_such
from cdr_pipeline.api.service import service_of
from cdr_pipeline.api.times import span_of
from cdr_pipeline.core.records.search import Clock, Compare, Condition, InstantRange, Operator, Search
from cdr_pipeline.exports.record_lists import ArrowList, ListWriter, WorkbookList
from cdr_pipeline.warehouse.records.list_columns import INTERACTION_NAMES, NAMES, RESELLER_NAMES

router = APIRouter(tags=["records"])
Reader = Annotated[Caller, Depends(reader)]

_PERIOD: Final = frozenset(("created_from", "created_to"))
_ORDER: Final = frozenset(("ascending", "descending"))
_PAGING: Final = frozenset(("page_size", "start_key", "paginate", "is_chunked", "chunk_size"))
_CONTROLS: Final = COMMON_PARAMETERS | _PERIOD | _ORDER | _PAGING | {"utc_offset", "fields"}
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
    """One page. All pages of a list use the period and the time of the request for the first page."""
    records = service_of(request).records
    secret = await records.cursor_secret()
    parameters = [item for item in request.query_params.multi_items() if item[0] not in COMMON_PARAMETERS | _PAGING]
    digest = search_digest(caller.account.account_id, request.url.path, parameters)
    known_at, start = service_of(request).ctx.clock(), None
    if "start_key" in request.query_params:
        cursor = decode_cursor(request.query_params["start_key"], digest, secret)
        known_at, start = cursor.known_at, cursor.key
        if search.span is not None:
            search = replace(search, span=InstantRange(search.clock, cursor.first, cursor.last))
    page = await records.page(replace(search, known_at=known_at), size=size, start=start)
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
    pairs = query.multi_items()
    if len(pairs) > MOST_PARAMETERS:
        raise invalid("query", "length", f"at most {MOST_PARAMETERS} parameters")
    for name in _CONTROLS - {"auth_token"}:
        if len(query.getlist(name)) > 1:
            raise invalid(name, "once", "must be given once")
    refuse_unknown(request, unknown_in(dict(pairs), _CONTROLS), known_names(_CONTROLS))
    conditions: list[Condition] = conditions_of(pairs, caller.account, _CONTROLS)
    if user_id is not None:
        conditions.append(Compare(("owner_id",), Operator.EQUALS, (user_id,)))
    controls = parameters_of(ListQuery, request)
    # A business date bounds the search, so no default period is needed.
    bounded = "business_date" in query and not _PERIOD & set(query)
    return Search(
        accounts=(caller.account.account_id,),
        conditions=tuple(conditions),
        span=None if bounded else span_of(query, clock, service_of(request).ctx.clock()),
        ascending=controls.ascending or not controls.descending,
        interactions=interactions,
        utc_offset=controls.utc_offset,
        columns=_columns(parameters_of(ColumnsQuery, request).fields, caller, interactions=interactions),
    )


def _columns(fields: tuple[str, ...], caller: Caller, *, interactions: bool) -> tuple[str, ...]:
    """Columns of the list by name. A token of an account above also gets those of resellers, as in Kazoo.

    Raises:
        RequestRefused: 400, a list has no such column.
    """
    above = caller.token.account_id != caller.account.account_id
    known = (*(RESELLER_NAMES if above else NAMES), *(INTERACTION_NAMES if interactions else ()))
    if not set(fields) <= set(known):
        raise invalid("fields", "allowed", f"must be columns of the list: {', '.join(known)}")
    return fields or (known if above else ())
