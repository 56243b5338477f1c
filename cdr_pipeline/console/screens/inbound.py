"""Inbound places: when each was last looked at, which expected files are late, and the files there."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cdr_pipeline.console.query import text_of
from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, visible_accounts
from cdr_pipeline.console.tables import TableExport, wanted_table
from cdr_pipeline.steps.accounts.users import SignedIn
from cdr_pipeline.steps.inbound.expected_files import LateFile
from cdr_pipeline.steps.inbound.place_overview import PlaceState, place_overview
from cdr_pipeline.warehouse.inbound.inbound_files import INBOUND_STATES, InboundFile

router = APIRouter()
_LOOKED_BACK: Final = timedelta(days=35)
_SHOWN: Final = 200
_PLACES: Final = TableExport[PlaceState](
    "inbound_places",
    {
        "place": lambda item: item.name,
        "kind": lambda item: item.kind,
        "looked_at_utc": lambda item: item.looked.looked_at if item.looked else None,
        "reached_at_utc": lambda item: item.looked.reached_at if item.looked else None,
        "fails_since_utc": lambda item: item.looked.failed_since if item.looked else None,
        "last_fetched_utc": lambda item: item.fetched_at,
        "files_fetched": lambda item: item.fetched,
        "files_missing": lambda item: item.late,
        "error": lambda item: item.looked.error_code if item.looked else None,
    },
)
_LATE: Final = TableExport[LateFile](
    "expected_files",
    {
        "place": lambda item: item.place,
        "pattern": lambda item: item.pattern,
        "account": lambda item: item.account_id,
        "profile": lambda item: item.profile,
        "day": lambda item: item.day,
        "due": lambda item: item.due_at,
    },
)
_FILES: Final = TableExport[InboundFile](
    "inbound_files",
    {
        "place": lambda item: item.place,
        "file": lambda item: item.path,
        "state": lambda item: item.state,
        "accounts": lambda item: ", ".join(item.account_ids),
        "profile": lambda item: item.profile,
        "day": lambda item: item.file_date,
        "bytes": lambda item: item.size,
        "first_seen_utc": lambda item: item.first_seen_at,
        "fetched_utc": lambda item: item.fetched_at,
        "attempts": lambda item: item.attempts,
        "at_place": lambda item: item.cleared,
        "error": lambda item: item.error_code,
    },
)


@router.get("/inbound")
def show_inbound(request: Request, user: CurrentUser) -> Response:
    """Places with their last look and fetch, late files, and files; of the accounts that the user sees."""
    ctx = service_of(request).ctx
    overview = place_overview(ctx, None if user.everything else user.accounts, since=ctx.clock() - _LOOKED_BACK)
    wanted_place, state = text_of(request, "place"), text_of(request, "state")
    states = (state,) if state in INBOUND_STATES else INBOUND_STATES
    files = [item for item in overview.files if item.state in states and wanted_place in ("", item.place)]
    late = [item for item in overview.late if wanted_place in ("", item.place)]
    table = wanted_table(request)
    if table == "places":
        return _PLACES.file(request, user, overview.places)
    if table == "late":
        return _LATE.file(request, user, late)
    if table == "files":
        return _FILES.file(request, user, _shared(files, user))
    return page(
        request,
        "inbound.html",
        accounts=visible_accounts(user),
        overview=overview,
        late=late[:_SHOWN],
        late_count=len(late),
        files=_shared(files[:_SHOWN], user),
        count=len(files),
        most=_SHOWN,
        place=wanted_place,
        state=state,
        states=INBOUND_STATES,
        days=_LOOKED_BACK.days,
    )


def _shared(files: Sequence[InboundFile], user: SignedIn) -> list[InboundFile]:
    """The files, each with only those of its accounts that the user sees."""
    return [item.of_accounts(user.visible) for item in files]
