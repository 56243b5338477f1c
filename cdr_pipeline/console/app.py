"""The console's FastAPI application: screens, static files, error pages."""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from cdr_pipeline.console.attempts import Attempts
from cdr_pipeline.console.guard import BodyTooLarge, ConsoleGuard
from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.screens import (
    audit,
    breaks,
    calendar,
    carriers,
    day,
    documentation,
    extracts,
    inbound,
    installation,
    profiles,
    rules,
    search,
    sign_in,
    times,
    today,
    uploads,
    users,
)
from cdr_pipeline.console.service import ConsoleService
from cdr_pipeline.console.sessions import NotAllowed, NotVisible, SignInRequired
from cdr_pipeline.errors import CdrError
from cdr_pipeline.steps.records.search_records import RecordSearch
from cdr_pipeline.steps.run_context import RunContext

_log = logging.getLogger(__name__)
SCREENS: Final = (
    sign_in, today, calendar, day, breaks, rules, carriers, uploads, inbound, profiles, search, extracts, installation,
    audit, users, times, documentation,
)  # fmt: skip


def create_console(ctx: RunContext) -> ConsoleGuard:
    """Builds the application.

    Args:
        ctx: settings, warehouse, clock and progress callback.
    """
    settings = ctx.settings
    records = RecordSearch(
        ctx, settings.serve_connections, settings.serve_search_seconds, settings.serve_download_seconds
    )
    # Each request waits in a thread of its own. Without a limit, a table that is locked for long would use up the
    # threads of all users, and the end of the server would wait for them.
    acting = replace(ctx, statement_seconds=settings.serve_download_seconds)
    reading = replace(ctx, statement_seconds=settings.serve_search_seconds).with_kept_connections(
        settings.serve_connections
    )

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncGenerator[None]:
        await records.open()
        yield
        if reading.pool:
            reading.pool.close()
        await records.close()

    app = FastAPI(title="cdr_pipeline", lifespan=running, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = ConsoleService(acting, records, Attempts(time.monotonic), reading)
    for screen in SCREENS:
        app.include_router(screen.router)
    app.mount("/static", StaticFiles(packages=[("cdr_pipeline.console", "static")]), name="static")
    app.add_exception_handler(SignInRequired, _to_sign_in)
    app.add_exception_handler(NotAllowed, _not_allowed)
    app.add_exception_handler(NotVisible, _not_found)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(CdrError, _failed)
    app.add_exception_handler(Exception, _fault)
    return ConsoleGuard(app, settings.serve_upload_bytes)


async def _to_sign_in(request: Request, _: Exception) -> Response:
    target = request.url.path if request.method == "GET" else "/"
    if request.method == "GET" and request.url.query:
        target += f"?{request.url.query}"
    query = urlencode({"next": target}) if target != "/" else ""
    return RedirectResponse(f"/sign-in?{query}" if query else "/sign-in", status_code=303)


async def _not_allowed(request: Request, error: Exception) -> Response:
    assert isinstance(error, NotAllowed)  # noqa: S101 - the handler is registered for this class only
    return page(request, "error.html", status=403, kind=error.reason, message="", hint="")


async def _not_found(request: Request, _: Exception) -> Response:
    return page(request, "error.html", status=404, kind="not_found", message="", hint="")


async def _not_valid(request: Request, error: Exception) -> Response:
    """An address or a form with a value that cannot be read; of a form, the page names the fields."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    fields = [str(item["loc"][1]) for item in error.errors() if item["loc"][0] == "body" and len(item["loc"]) > 1]
    if not fields:
        return await _not_found(request, error)
    return page(request, "error.html", status=400, kind="fields", message=", ".join(dict.fromkeys(fields)), hint="")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == 404:  # noqa: PLR2004 - not found
        return await _not_found(request, error)
    return page(request, "error.html", status=error.status_code, kind="request", message="", hint="")


async def _failed(request: Request, error: Exception) -> Response:
    """An error of a step: what happened and what to do next."""
    assert isinstance(error, CdrError)  # noqa: S101
    status = max(error.http_status, 400)
    return page(
        request,
        "error.html",
        status=status,
        kind="failed",
        code=error.code,
        message=error.message,
        hint=error.hint or "",
    )


async def _fault(request: Request, error: Exception) -> Response:
    """An unexpected error. The log has the error under the request id; the page has only the id."""
    if isinstance(error, BodyTooLarge):
        return PlainTextResponse("the file is too large", status_code=413)
    _log.error("fault request=%s", request.state.request_id, exc_info=error)
    return page(request, "error.html", status=500, kind="fault", message=request.state.request_id, hint="")
