"""The FastAPI application: routes under /v1 and /v2, error handlers, OpenAPI document, request guard."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import Route

from cdr_pipeline import __version__
from cdr_pipeline.api import error_pages
from cdr_pipeline.api.documentation.groups import SECURITY, TAGS
from cdr_pipeline.api.envelope import error_response
from cdr_pipeline.api.extract_maker import ExtractMaker
from cdr_pipeline.api.gate import RequestGuard
from cdr_pipeline.api.metrics import Metrics
from cdr_pipeline.api.rates import Rates
from cdr_pipeline.api.refusals import invalid_request
from cdr_pipeline.api.routes import (
    accounts,
    cdrs,
    changes,
    days,
    decisions,
    extracts,
    health,
    managed_tokens,
    portal,
    tokens,
    uploads,
    webhooks,
)
from cdr_pipeline.api.service import Service
from cdr_pipeline.api.webhook_sender import WebhookSender
from cdr_pipeline.errors import CdrError, RequestRefused
from cdr_pipeline.steps.records.search_records import RecordSearch
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.engine import restart_crashed

# Seconds between two looks at the process of the embedded warehouse.
_LOOK_SECONDS: Final = 2.0
# Seconds between two records of the last use of tokens.
_USE_SECONDS: Final = 60.0
_MOST_OF_32_BITS: Final = 2**31 - 1
_log = logging.getLogger(__name__)
# Messages of errors that the framework raises, by status.
_HTTP_ERRORS: Final = {404: ("not_found", "not found"), 405: ("invalid_method", "method not allowed")}
# Each request is compared with the routes in this order, so that those of lists, the most frequent ones, are first.
_ROUTERS: Final = (
    cdrs.router,
    tokens.router,
    managed_tokens.router,
    portal.router,
    uploads.router,
    days.router,
    changes.router,
    webhooks.router,
    extracts.router,
    decisions.router,
    accounts.router,
)


def create_app(ctx: RunContext, *, workers: int = 1) -> RequestGuard:
    """Builds the application.

    Args:
        ctx: settings, warehouse, clock and progress callback.
        workers: number of processes that serve the API.
    """
    settings = ctx.settings
    records = RecordSearch(
        ctx, settings.serve_connections, settings.serve_search_seconds, settings.serve_download_seconds
    )

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncGenerator[None]:
        await records.open()
        keeper = asyncio.create_task(_keep_warehouse(ctx))
        recorder = asyncio.create_task(_record_use(app.state.service))
        sender = WebhookSender(ctx, app.state.metrics)
        sender.start()
        app.state.extract_maker.start()
        yield
        keeper.cancel()
        recorder.cancel()
        await sender.stop()
        await app.state.extract_maker.stop()
        await app.state.service.record_use_of_tokens()
        await app.state.service.uploads.close()
        await records.close()

    app = FastAPI(
        title="CDR API",
        description="Call detail records of a switch and of carriers' files, one row a leg.",
        version=__version__,
        servers=[{"url": "/", "description": "this server"}],
        contact={"name": "cdr_pipeline"},
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        openapi_tags=TAGS,
        lifespan=running,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.serve_docs else None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    rates = Rates(
        settings.serve_requests_per_second,
        workers,
        time.monotonic,
        subtree_per_second=settings.serve_subtree_requests_per_second,
    )
    app.state.service = Service(ctx, records, rates)
    app.state.extract_maker = ExtractMaker(ctx)
    app.state.metrics = Metrics(shared=workers > 1)
    for version in ("/v2", "/v1"):
        for router in _ROUTERS:
            app.include_router(router, prefix=version)
    app.include_router(health.router)
    app.add_api_route(error_pages.PATH, error_pages.show_errors, include_in_schema=False)
    if settings.serve_docs:
        app.add_route("/docs", _show_docs, include_in_schema=False)
        # Scripts and styles of the page come from a package, not from another server.
        app.mount("/docs", StaticFiles(packages=[("fastapi_offline", "static")]))
    app.add_exception_handler(CdrError, _refuse)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(RequestValidationError, _refuse_validation)
    app.add_exception_handler(Exception, _refuse_fault)
    app.openapi = lambda: _openapi(app)
    return RequestGuard(app, app.state.metrics, settings.allowed_origins, records.choose_source)


async def _show_docs(request: Request) -> Response:
    """The API's documentation as a page that can send requests."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=request.app.title,
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )


async def _keep_warehouse(ctx: RunContext) -> None:
    """Restarts a killed embedded warehouse, so that requests succeed again without a command."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            if await asyncio.to_thread(restart_crashed, ctx.settings, ctx.url):
                _log.warning("the embedded warehouse was killed and has been restarted")
        except (CdrError, OSError):
            _log.exception("the embedded warehouse was killed and cannot be restarted; trying again")


async def _record_use(service: Service) -> None:
    """Records once a minute which tokens were used."""
    while True:
        await asyncio.sleep(_USE_SECONDS)
        await service.record_use_of_tokens()


def _operation_id(route: APIRoute) -> str:
    return f"{route.name}{route.path_format}".replace("/", "_").replace("{", "").replace("}", "")


def _version(request: Request) -> str:
    return "v1" if request.url.path.startswith("/v1/") else "v2"


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, CdrError)  # noqa: S101 - the handler is registered for this class only
    return error_response(error, request.state.request_id, _version(request))


async def _refuse_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    title, text = _HTTP_ERRORS.get(error.status_code, ("faulty_request", "faulty request"))
    headers = dict(error.headers or {})
    if error.status_code == 405:  # noqa: PLR2004 - method not allowed
        headers["Allow"] = ", ".join(sorted(_methods(request)))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": headers["Allow"]})
    refusal = RequestRefused(error.status_code, title, {"message": text}, headers)
    return error_response(refusal, request.state.request_id, _version(request))


def _methods(request: Request) -> set[str]:
    """All methods of a path. Several routes can share a path, each with its own methods. Every GET has a HEAD."""
    path = request.url.path
    bare = path[len("/v1") :] if path.startswith(("/v1/", "/v2/")) else path
    routes = [*request.app.routes, *(route for router in (*_ROUTERS, health.router) for route in router.routes)]
    matches = [route for route in routes if isinstance(route, Route | APIRoute) and route.path_regex.match(bare)]
    methods = {method for route in matches for method in route.methods or ()}
    return methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())


async def _refuse_validation(request: Request, error: Exception) -> Response:
    """404 for an id in the path, which is then unknown; 400 with its name for any other parameter."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return error_response(invalid_request(error.errors()), request.state.request_id, _version(request))


async def _refuse_fault(request: Request, error: Exception) -> Response:
    """500 for an unexpected error. The log has the error under the request id, the response only the id."""
    _log.error("fault request=%s", request.state.request_id, exc_info=error)
    request.state.answered = True
    refusal = RequestRefused(500, "unspecified_fault", {"message": "unspecified fault"})
    return error_response(refusal, request.state.request_id, _version(request))


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
            servers=app.servers,
            contact=app.contact,
            license_info=app.license_info,
        )
        components = schema.setdefault("components", {})
        components["securitySchemes"] = SECURITY
        # The application replaces the framework's response to an invalid parameter.
        for name in ("HTTPValidationError", "ValidationError"):
            components.get("schemas", {}).pop(name, None)
        for path in schema["paths"].values():
            for operation in path.values():
                if operation.get("responses", {}).get("422", {}).get("description") == "Validation Error":
                    del operation["responses"]["422"]
            if "get" in path:
                path["head"] = _head_of(path["get"])
        _size_integers(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _size_integers(part: Any) -> None:  # noqa: ANN401 - any part of the document
    """States that integers without a small maximum have 64 bits; generated clients take 32 otherwise.

    Gregorian seconds, numbers of changes and sizes of files need more.
    """
    if isinstance(part, list):
        for item in cast("list[Any]", part):
            _size_integers(item)
    elif isinstance(part, dict):
        schema = cast("dict[str, Any]", part)
        if schema.get("type") == "integer" and schema.get("maximum", _MOST_OF_32_BITS + 1) > _MOST_OF_32_BITS:
            schema["format"] = "int64"
        for item in schema.values():
            _size_integers(item)


def _head_of(operation: dict[str, Any]) -> dict[str, Any]:
    """The operation HEAD of a GET: the same responses without their bodies."""
    bare = {
        status: {key: value for key, value in response.items() if key != "content"}
        for status, response in operation["responses"].items()
    }
    return operation | {
        "operationId": f"head_{operation['operationId']}",
        "summary": f"{operation['summary']}, headers only",
        "responses": bare,
    }
