"""Route of changes: what happened to the days of an account, for programs that follow it."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cdr_pipeline.api.answers import COMMON_PARAMETERS, answer, json_answer, request_id, response_type
from cdr_pipeline.api.auth import Caller, reader
from cdr_pipeline.api.documentation.accounts import CHANGES
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.envelope import success
from cdr_pipeline.api.negotiation import CSV_TYPES
from cdr_pipeline.api.parameters import ChangesQuery, parameters_of
from cdr_pipeline.api.service import service_of
from cdr_pipeline.steps.accounts.list_changes import list_changes

router = APIRouter(tags=["days and files"])
_KNOWN: Final = COMMON_PARAMETERS | {"after", "page_size"}


@router.get("/accounts/{account_id}/changes", summary="Follow an account", **described(CHANGES))
async def changes(request: Request, caller: Annotated[Caller, Depends(reader)]) -> Response:
    """What happened to the days of an account after a change, oldest first: records, seals, reconciliations, decisions.

    A client that passes the number of the last change it has seen misses nothing. Changes are kept for 90 days.
    """
    media, query = response_type(request, _KNOWN), parameters_of(ChangesQuery, request)
    found, newest = await service_of(request).read(
        list_changes, caller.account.account_id, query.after, query.page_size
    )
    if media in CSV_TYPES:
        return answer(request, media, found, name="changes")
    return json_answer(request, success(found, request_id(request), newest=newest))
