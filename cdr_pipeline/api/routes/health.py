"""For those who watch: alive, ready, figures. They need no token and say nothing about anybody."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cdr_pipeline.api.metrics import CONTENT_TYPE
from cdr_pipeline.api.service import service_of
from cdr_pipeline.errors import CdrError

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Alive")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Ready",
    responses={503: {"description": "the warehouse is away, or its tables are another version's"}},
)
async def readyz(request: Request) -> JSONResponse:
    """The warehouse answers too, with the tables of this version."""
    try:
        await service_of(request).records.require_ready()
    except CdrError as error:
        return JSONResponse({"status": error.code}, 503, {"Retry-After": "5"})
    return JSONResponse({"status": "ok"})


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """Requests and seconds by route."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE)
