"""Sign-in by password or one-time link, invitations, and sign-out."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cdr_pipeline.console.rendering import language_of, page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import OwnForm, SameOrigin, clear_session, is_local, session_of, set_session
from cdr_pipeline.errors import SignInRefused
from cdr_pipeline.steps.accounts.users import (
    SHORTEST_PASSWORD,
    accept_invitation,
    find_link,
    follow_sign_in_link,
    sign_in,
    sign_out,
)

router = APIRouter()
_REFUSALS: Final = {
    "wrong": "Name or password is wrong.",
    "wait": "Too many failed attempts. Try again in {seconds} seconds.",
    "used": "This link was used before or has expired. Ask for a new one.",
    "short": "The password is too short.",
}


@router.get("/sign-in")
def show_sign_in(request: Request) -> Response:
    """The form for name and password."""
    return page(request, "sign_in.html", refusal="", name="", target=_own_path(request.query_params.get("next", "/")))


@router.post("/sign-in", dependencies=[SameOrigin])
def submit_sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=2_000)],
    next_page: Annotated[str, Form(alias="next", max_length=4_000)] = "/",
) -> Response:
    """Signs in and leads to the requested page."""
    service, text = service_of(request), language_of(request).text
    address = request.client.host if request.client else ""
    target = _own_path(next_page)
    wait = service.attempts.wait_seconds(address, name)
    if wait > 0:
        refusal = text(_REFUSALS["wait"], seconds=round(wait + 0.5))
        response = page(request, "sign_in.html", status=429, refusal=refusal, name=name, target=target)
        response.headers["Retry-After"] = str(round(wait + 0.5))
        return response
    try:
        secret = sign_in(name, password, service.ctx)
    except SignInRefused:
        service.attempts.note_failure(address, name)
        return page(request, "sign_in.html", status=401, refusal=text(_REFUSALS["wrong"]), name=name, target=target)
    service.attempts.note_success(address, name)
    return _start(request, secret, target)


@router.get("/invitation/{secret}")
def show_invitation(request: Request, secret: str) -> Response:
    """The form with which an invited user chooses a password."""
    user = find_link(secret, service_of(request).ctx)
    if user is None:
        return _link_used(request)
    return page(request, "invitation.html", refusal="", name=user.name, least=SHORTEST_PASSWORD)


@router.post("/invitation/{secret}", dependencies=[SameOrigin])
def submit_invitation(request: Request, secret: str, password: Annotated[str, Form(max_length=2_000)]) -> Response:
    """Sets the password and signs in."""
    ctx = service_of(request).ctx
    user = find_link(secret, ctx)
    if user is None:
        return _link_used(request)
    try:
        session = accept_invitation(secret, password, ctx)
    except SignInRefused:
        refusal = language_of(request).text(_REFUSALS["short"])
        return page(request, "invitation.html", status=400, refusal=refusal, name=user.name, least=SHORTEST_PASSWORD)
    return _start(request, session, "/")


@router.get("/link/{secret}")
def show_link(request: Request, secret: str) -> Response:  # noqa: ARG001 - the form is sent to the same path
    """A button that uses the link. Opening the page does not, because mail programs open links.

    On this machine the script of the page presses the button.
    """
    return page(request, "follow_link.html", local=is_local(request))


@router.post("/link/{secret}", dependencies=[SameOrigin])
def submit_link(request: Request, secret: str) -> Response:
    """Signs in by a one-time link."""
    try:
        return _start(request, follow_sign_in_link(secret, service_of(request).ctx), "/")
    except SignInRefused:
        return _link_used(request)


@router.post("/sign-out", dependencies=[OwnForm])
def submit_sign_out(request: Request) -> Response:
    """Ends the session."""
    sign_out(session_of(request), service_of(request).ctx)
    response = RedirectResponse("/sign-in?notice=signed_out", status_code=303)
    clear_session(response)
    return response


def _start(request: Request, secret: str, target: str) -> Response:
    response = RedirectResponse(target, status_code=303)
    set_session(response, request, secret)
    return response


def _link_used(request: Request) -> Response:
    refusal = language_of(request).text(_REFUSALS["used"])
    return page(request, "sign_in.html", status=410, refusal=refusal, name="", target="/")


def _own_path(target: str) -> str:
    """A path of this server; ``/`` for anything that a browser could read as another server."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain and "\\" not in target else "/"
