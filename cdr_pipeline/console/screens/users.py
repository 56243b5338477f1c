"""Users of the console: invite, change role, end access. Operators of all accounts only."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, NotAllowed, OwnForm, chosen_account, require, visible_accounts
from cdr_pipeline.console.tables import TableExport, wanted_format
from cdr_pipeline.errors import AccountNotFound, ConfigurationError
from cdr_pipeline.steps.accounts.users import (
    Invitation,
    Permission,
    SignedIn,
    UserRequest,
    change_user,
    invite_user,
    list_users,
    record_event,
)
from cdr_pipeline.warehouse.accounts.users import ROLES, User

router = APIRouter()
_USERS: Final = TableExport[User](
    "users",
    {
        "name": lambda item: item.name,
        "role": lambda item: item.role,
        "account": lambda item: item.account_id or "all",
        "access": lambda item: "ended" if item.disabled_at else "active",
        "created_utc": lambda item: item.created_at,
        "last_sign_in_utc": lambda item: item.signed_in_at,
        "access_ended_utc": lambda item: item.disabled_at,
    },
)


@router.get("/users")
def show_users(request: Request, user: CurrentUser) -> Response:
    """All users, and the form that invites another."""
    _require_operator(user)
    if wanted_format(request):
        return _USERS.file(request, user, list_users(service_of(request).ctx))
    return _show(request, user)


@router.post("/users", dependencies=[OwnForm])
def invite(
    request: Request,
    user: CurrentUser,
    name: Annotated[str, Form(max_length=200)],
    role: Annotated[str, Form(max_length=20)],
    account: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Invites a user and shows the link once."""
    _require_operator(user)
    ctx = service_of(request).ctx
    chosen = chosen_account(user, account) or None
    try:
        invitation = invite_user(UserRequest(name, role, chosen), ctx)
    except (ConfigurationError, AccountNotFound) as error:
        return _show(request, user, refusal=error.message, status=400)
    record_event(user, "invite", ctx, account_id=chosen, subject=f"{invitation.user.name}: {role}")
    return _show(request, user, invitation=invitation)


@router.post("/users/change", dependencies=[OwnForm])
def change(
    request: Request,
    user: CurrentUser,
    name: Annotated[str, Form(max_length=200)],
    role: Annotated[str, Form(max_length=20)],
    access: Annotated[str, Form(max_length=20)],
) -> Response:
    """Changes the role of a user or ends the access. A user cannot change the own role or access."""
    _require_operator(user)
    if name.lower() == user.name.lower():
        return _show(request, user, refusal="You cannot change your own role or access.", status=400)
    ctx = service_of(request).ctx
    change_user(name, ctx, role=role, disabled=access == "ended")
    record_event(user, "change user", ctx, subject=f"{name}: {role}, {'ended' if access == 'ended' else 'active'}")
    return RedirectResponse("/users?notice=changed", status_code=303)


def _require_operator(user: SignedIn) -> None:
    require(user, Permission.OPERATE)
    if not user.everything:
        raise NotAllowed("role")


def _show(
    request: Request, user: SignedIn, *, invitation: Invitation | None = None, refusal: str = "", status: int = 200
) -> Response:
    link = str(request.url_for("show_invitation", secret=invitation.secret)) if invitation else ""
    return page(
        request,
        "users.html",
        status=status,
        accounts=visible_accounts(user),
        users=list_users(service_of(request).ctx),
        roles=ROLES,
        invitation=invitation,
        link=link,
        refusal=refusal,
    )
