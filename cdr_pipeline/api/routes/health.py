"""Liveness, readiness and Prometheus metrics. Unauthenticated; contain no account data."""

import hmac
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cdr_pipeline.api.documentation.groups import ERRORS
from cdr_pipeline.api.metrics import CONTENT_TYPE, figures_text
from cdr_pipeline.api.models.accounts import Readiness
from cdr_pipeline.api.models.envelopes import ErrorBody
from cdr_pipeline.api.service import service_of
from cdr_pipeline.errors import CdrError
from cdr_pipeline.steps.operations.figures import Figure, figures

_UP: Final = "whether the warehouse can be used"
router = APIRouter(tags=["health"])


_TOO_LONG: Final[dict[int | str, dict[str, Any]]] = {414: {"model": ErrorBody, "description": ERRORS[414]}}
_NO_TOKEN: Final[dict[str, Any]] = {"security": []}


@router.get("/healthz", summary="Alive", openapi_extra=_NO_TOKEN, responses=_TOO_LONG)
async def healthz() -> Readiness:
    """The process responds."""
    return Readiness(status="ok")


@router.get(
    "/readyz",
    summary="Ready",
    response_model=Readiness,
    openapi_extra=_NO_TOKEN,
    responses=_TOO_LONG
    | {
        503: {"model": Readiness, "description": "the warehouse is not available, or its tables are of another version"}
    },
)
async def readyz(request: Request) -> JSONResponse:
    """The warehouse responds and has the tables of this version."""
    try:
        await service_of(request).records.require_ready()
    except CdrError as error:
        return JSONResponse({"status": error.code}, 503, {"Retry-After": "5"})
    return JSONResponse({"status": "ok"})


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    openapi_extra={"security": [{}, {"bearer": []}]},
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        401: {"description": "the bearer token is not that of CDR_METRICS_TOKEN"},
    },
)
async def metrics(request: Request) -> Response:
    """Number and duration of requests by route. With the token of CDR_METRICS_TOKEN, also figures of the installation.

    These figures are nights that are due, problems by code, open breaks, waiting work with its age, and disks.
    """
    service, text = service_of(request), request.app.state.metrics.text()
    token, sent = service.ctx.settings.metrics_token, request.headers.get("authorization")
    if sent is None:
        return Response(text, media_type=CONTENT_TYPE)
    if token is None or not hmac.compare_digest(sent.encode(), f"Bearer {token.get_secret_value()}".encode()):
        return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
    try:
        found = [*await service.read(figures), Figure("cdr_warehouse_up", _UP, {"": 1})]
    except CdrError:
        found = [Figure("cdr_warehouse_up", _UP, {"": 0})]
    return Response(text + figures_text(found), media_type=CONTENT_TYPE)
