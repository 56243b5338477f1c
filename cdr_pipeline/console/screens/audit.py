"""What users of the console did, newest first."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, visible_accounts
from cdr_pipeline.steps.accounts.users import list_events

router = APIRouter()


@router.get("/audit")
def audit(request: Request, user: CurrentUser) -> Response:
    """The newest acts on the accounts that the user sees."""
    events = list_events(user, service_of(request).ctx)
    return page(request, "audit.html", accounts=visible_accounts(user), events=events)
