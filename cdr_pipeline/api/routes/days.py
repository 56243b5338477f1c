"""Routes of days and files: state and reconciliation of each day, daily files with their manifests."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, Response

from cdr_pipeline.api.answers import COMMON_PARAMETERS, answer, response_type
from cdr_pipeline.api.auth import Caller, reader
from cdr_pipeline.api.documentation.days import DAY, DAYS, EXPORTS, FILE
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.files import file_response
from cdr_pipeline.api.parameters import date_in_path, dates_of
from cdr_pipeline.api.refusals import no_such
from cdr_pipeline.api.service import service_of
from cdr_pipeline.steps.days.published_files import find_file, list_days, list_files

router = APIRouter(tags=["days and files"])
Reader = Annotated[Caller, Depends(reader)]
_KNOWN: Final = COMMON_PARAMETERS | {"from_date", "to_date"}


@router.get("/accounts/{account_id}/days", summary="States of days", **described(DAYS))
async def days(request: Request, caller: Reader) -> Response:
    """State, records by origin, and reconciliation of each day."""
    media, (first, last) = response_type(request, _KNOWN), dates_of(request)
    states = await service_of(request).read(list_days, caller.account.account_id, first, last)
    return answer(request, media, states, name="days")


@router.get("/accounts/{account_id}/days/{business_date}", summary="State of a day", **described(DAY))
async def day(request: Request, caller: Reader, business_date: str) -> Response:
    """State, records by origin, and reconciliation of one day."""
    media, day_date = response_type(request), date_in_path(business_date)
    states = await service_of(request).read(list_days, caller.account.account_id, day_date, day_date)
    if not states:
        raise no_such("bad_identifier", {"cause": business_date, "message": "bad identifier"})
    return answer(request, media, states[0], name="day")


@router.get("/accounts/{account_id}/exports", summary="List daily files", **described(EXPORTS))
async def exports(request: Request, caller: Reader) -> Response:
    """Daily files with their manifests."""
    media, (first, last) = response_type(request, _KNOWN), dates_of(request)
    files = await service_of(request).read(list_files, caller.account.account_id, first, last)
    return answer(request, media, files, name="exports")


@router.get(
    "/accounts/{account_id}/exports/{file_id}",
    summary="Download a daily file",
    response_class=FileResponse,
    **described(FILE),
)
async def export(request: Request, caller: Reader, file_id: str) -> Response:
    """A daily file, byte for byte. The header X-Content-SHA256 is its sha256."""
    file = await service_of(request).read(find_file, caller.account.account_id, file_id)
    if file is None:
        raise no_such("bad_identifier", {"message": "bad identifier"})
    return await file_response(
        file.path, name=file.path.name, media="application/octet-stream", sha256=file.sha256
    )  # fmt: skip
