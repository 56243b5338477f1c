"""What users of the console did, newest first."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cdr_pipeline.console.query import optional_date, text_of
from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, chosen_account, visible_accounts
from cdr_pipeline.console.tables import TableExport, wanted_format
from cdr_pipeline.steps.accounts.users import EventFilter, list_events
from cdr_pipeline.warehouse.accounts.users import ConsoleEvent

router = APIRouter()
_SHOWN: Final = 200
_MOST_EXPORTED: Final = 1_000_000
_EVENTS: Final = TableExport[ConsoleEvent](
    "audit",
    {
        "time_utc": lambda item: item.happened_at,
        "user": lambda item: item.user_name,
        "action": lambda item: item.action,
        "account": lambda item: item.account_id,
        "business_date": lambda item: item.business_date,
        "subject": lambda item: item.subject,
        "reason": lambda item: item.reason,
    },
)


@router.get("/audit")
def audit(request: Request, user: CurrentUser) -> Response:
    """The newest acts on the accounts that the user sees; as a file, all that match the filters."""
    query = request.query_params
    wanted = EventFilter(
        account_id=chosen_account(user, query.get("account", "")),
        user_name=text_of(request, "user"),
        first_date=optional_date(query.get("first", "")),
        last_date=optional_date(query.get("last", "")),
    )
    exported = wanted_format(request) is not None
    events = list_events(user, service_of(request).ctx, wanted, most=_MOST_EXPORTED if exported else _SHOWN + 1)
    if exported:
        return _EVENTS.file(request, user, events)
    return page(
        request,
        "audit.html",
        accounts=visible_accounts(user),
        events=events[:_SHOWN],
        more=len(events) > _SHOWN,
        most=_SHOWN,
        wanted=wanted,
    )
