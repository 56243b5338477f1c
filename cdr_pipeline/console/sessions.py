"""The signed-in user of a request: session cookie, permissions, accounts, and protection against forged requests."""

import hashlib
import hmac
from typing import Annotated, Final, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.responses import Response

from cdr_pipeline.console.service import service_of
from cdr_pipeline.steps.accounts.users import Permission, SignedIn, signed_in
from cdr_pipeline.warehouse.ledger import Account

_COOKIE: Final = "cdr_session"
CSRF_FIELD: Final = "csrf"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SignInRequired(Exception):
    """The request has no valid session."""


class NotAllowed(Exception):
    """The user's role does not include the permission, or the form was not sent from a page of the console.

    Attributes:
        reason: short code of the text that the page shows.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotVisible(Exception):
    """The path names something that is not among the accounts that the user sees."""


def current_user(request: Request) -> SignedIn:
    """The user of the session. Raises SignInRequired."""
    secret = request.cookies.get(_COOKIE, "")
    user = signed_in(secret, service_of(request).ctx) if secret else None
    if user is None:
        raise SignInRequired
    request.state.user_id = user.user_id
    request.state.user = user
    return user


CurrentUser = Annotated[SignedIn, Depends(current_user)]


def require(user: SignedIn, permission: Permission) -> None:
    """Requires a permission. Raises NotAllowed."""
    if not user.may(permission):
        raise NotAllowed("role")


def visible_account(user: SignedIn, account_id: str) -> Account:
    """An account that the user sees. Raises NotVisible."""
    account = user.visible.get(account_id)
    if account is None:
        raise NotVisible
    return account


def chosen_account(user: SignedIn, text: str) -> str:
    """Id of the account that a filter or form names by its id or its name; empty for none. Raises NotVisible."""
    wanted = text.strip()
    if not wanted or wanted in user.visible:
        return wanted
    named = [item.account_id for item in user.visible.values() if item.name.lower() == wanted.lower()]
    if len(named) != 1:
        raise NotVisible
    return named[0]


def visible_accounts(user: SignedIn) -> dict[str, Account]:
    """The accounts that the user sees, by id, in the order of their names."""
    ordered = sorted(user.visible.values(), key=lambda item: (item.name.lower(), item.account_id))
    return {item.account_id: item for item in ordered}


async def require_own_form(request: Request) -> None:
    """Requires that a form was sent from a page of the console, with the token of this session. Raises NotAllowed."""
    _require_same_origin(request)
    form = await request.form()
    sent, secret = form.get(CSRF_FIELD), request.cookies.get(_COOKIE, "")
    if not isinstance(sent, str) or not secret or not hmac.compare_digest(sent.encode(), csrf_token(request).encode()):
        raise NotAllowed("form")


async def require_same_origin(request: Request) -> None:
    """Requires that a form without a session, such as sign-in, was sent from a page of the console."""
    _require_same_origin(request)


OwnForm = Depends(require_own_form)
SameOrigin = Depends(require_same_origin)


def _require_same_origin(request: Request) -> None:
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise NotAllowed("form")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise NotAllowed("form")


def csrf_token(request: Request) -> str:
    """Token of the session's forms."""
    secret = request.cookies.get(_COOKIE, "")
    return hmac.new(secret.encode("utf-8", "surrogatepass"), b"form", hashlib.sha256).hexdigest()


def session_of(request: Request) -> str:
    """Secret of the session; empty without one."""
    return request.cookies.get(_COOKIE, "")


def is_local(request: Request) -> bool:
    """Whether the browser calls the server by a loopback address."""
    return (urlsplit(f"//{request.headers.get('host', '')}").hostname or "") in _LOOPBACK


def set_session(response: Response, request: Request, secret: str) -> None:
    """Sets the session cookie. It is sent over TLS only, except on this machine."""
    response.set_cookie(
        _COOKIE, secret, httponly=True, samesite="lax", secure=not is_local(request), path="/", max_age=12 * 3600
    )


def clear_session(response: Response) -> None:
    """Removes the session cookie."""
    response.delete_cookie(_COOKIE, path="/", httponly=True, samesite="lax")


def user_of(request: Request) -> SignedIn | None:
    """The user if the request has been authenticated; None on pages without sign-in."""
    return cast("SignedIn | None", getattr(request.state, "user", None))
