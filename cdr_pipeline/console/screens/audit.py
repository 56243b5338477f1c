"""What users of the console did, newest first."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, visible_accounts
from cdr_pipeline.console.tables import TableExport, wanted_format
from cdr_pipeline.steps.accounts.users import list_events
from cdr_pipeline.warehouse.accounts.users import ConsoleEvent

router = APIRouter()
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
    """The newest acts on the accounts that the user sees."""
    events = list_events(user, service_of(request).ctx)
    if wanted_format(request):
        return _EVENTS.file(request, user, events)
    return page(request, "audit.html", accounts=visible_accounts(user), events=events)
