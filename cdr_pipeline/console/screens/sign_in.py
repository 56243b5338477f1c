"""Sign-in by password or one-time link, invitations, and sign-out."""

import json
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cdr_pipeline.console.query import own_path
from cdr_pipeline.console.rendering import language_of, page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import OwnForm, SameOrigin, clear_session, is_local, session_of, set_session
from cdr_pipeline.errors import CdrError, ConfigurationError, SignInRefused
from cdr_pipeline.sources.identity.identity import PendingSignIn
from cdr_pipeline.steps.accounts.provider_sign_in import begin_provider_sign_in, finish_provider_sign_in
from cdr_pipeline.steps.accounts.users import (
    SHORTEST_PASSWORD,
    accept_invitation,
    find_link,
    follow_sign_in_link,
    sign_in,
    sign_out,
)

router = APIRouter()
_PENDING: Final = "cdr_pending_sign_in"
_PENDING_SECONDS: Final = 600
_REFUSALS: Final = {
    "wrong": "Name or password is wrong.",
    "wait": "Too many failed attempts. Try again in {seconds} seconds.",
    "used": "This link was used before or has expired. Ask for a new one.",
    "short": "The password is too short.",
    "provider": "The sign-in with the provider did not work, or you are not invited here.",
}


@router.get("/sign-in")
def show_sign_in(request: Request) -> Response:
    """The form for name and password, and the button of the identity provider."""
    return _form(request, target=own_path(request.query_params.get("next", "/")))


@router.get("/sign-in/provider")
def begin_with_provider(request: Request) -> Response:
    """Leads to the sign-in page of the identity provider."""
    target = own_path(request.query_params.get("next", "/"))
    try:
        pending = begin_provider_sign_in(_redirect_url(request), service_of(request).ctx)
    except (ConfigurationError, SignInRefused) as error:
        return _refused_by_provider(request, error)
    response = RedirectResponse(pending.url, status_code=303)
    response.set_cookie(
        _PENDING, json.dumps([pending.state, pending.nonce, pending.verifier, target]), max_age=_PENDING_SECONDS,
        httponly=True, samesite="lax", secure=not is_local(request), path="/sign-in/provider",
    )  # fmt: skip
    return response


@router.get("/sign-in/provider/answer")
def finish_with_provider(request: Request) -> Response:
    """Signs in by the answer of the identity provider to the browser that has begun."""
    query, ctx = request.query_params, service_of(request).ctx
    try:
        state, nonce, verifier, target = (str(item) for item in json.loads(request.cookies.get(_PENDING, "")))
        pending = PendingSignIn("", state, nonce, verifier)
        secret = finish_provider_sign_in(
            pending, _redirect_url(request), ctx, state=query.get("state", ""), code=query.get("code", "")
        )
    except ValueError:
        return _refused_by_provider(request, None)
    except SignInRefused as error:
        return _refused_by_provider(request, error)
    response = _start(request, secret, own_path(target))
    response.delete_cookie(_PENDING, path="/sign-in/provider", httponly=True, samesite="lax")
    return response


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
    target = own_path(next_page)
    wait = service.attempts.wait_seconds(address, name)
    if wait > 0:
        refusal = text(_REFUSALS["wait"], seconds=round(wait + 0.5))
        response = _form(request, status=429, refusal=refusal, name=name, target=target)
        response.headers["Retry-After"] = str(round(wait + 0.5))
        return response
    try:
        secret = sign_in(name, password, service.ctx)
    except SignInRefused:
        service.attempts.note_failure(address, name)
        return _form(request, status=401, refusal=text(_REFUSALS["wrong"]), name=name, target=target)
    service.attempts.note_success(address, name)
    return _start(request, secret, target)


@router.get("/invitation/{secret}")
def show_invitation(request: Request, secret: str) -> Response:
    """The form with which an invited user chooses a password, or the button of the identity provider."""
    user = find_link(secret, service_of(request).ctx)
    if user is None:
        return _link_used(request)
    if not service_of(request).ctx.settings.password_sign_in:
        return _form(request)
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
    return _form(request, status=410, refusal=language_of(request).text(_REFUSALS["used"]))


def _refused_by_provider(request: Request, error: CdrError | None) -> Response:
    text = language_of(request).text
    detail = error.message if error else ""
    return _form(request, status=401, refusal=text(_REFUSALS["provider"]), detail=detail)


def _form(
    request: Request, *, status: int = 200, refusal: str = "", detail: str = "", name: str = "", target: str = "/"
) -> Response:
    settings = service_of(request).ctx.settings
    return page(
        request,
        "sign_in.html",
        status=status,
        refusal=refusal,
        detail=detail,
        name=name,
        target=target,
        provider=urlsplit(settings.oidc_issuer).hostname if settings.oidc_issuer else "",
        passwords=settings.password_sign_in,
    )


def _redirect_url(request: Request) -> str:
    """Address of this server that the provider sends users back to; it must be registered there."""
    path = "/sign-in/provider/answer"
    public = service_of(request).ctx.settings.public_url
    return f"{public}{path}" if public else f"{str(request.base_url).rstrip('/')}{path}"
