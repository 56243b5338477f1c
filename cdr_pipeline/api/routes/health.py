"""Liveness, readiness and Prometheus metrics. Unauthenticated; contain no account data."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cdr_pipeline.api.metrics import CONTENT_TYPE
from cdr_pipeline.api.service import service_of
from cdr_pipeline.errors import CdrError

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Alive")
async def healthz() -> dict[str, str]:
    """The process responds."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Ready",
    responses={503: {"description": "the warehouse is not available, or its tables are of another version"}},
)
async def readyz(request: Request) -> JSONResponse:
    """The warehouse responds and has the tables of this version."""
    try:
        await service_of(request).records.require_ready()
    except CdrError as error:
        return JSONResponse({"status": error.code}, 503, {"Retry-After": "5"})
    return JSONResponse({"status": "ok"})


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Number and duration of requests by route."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE)
