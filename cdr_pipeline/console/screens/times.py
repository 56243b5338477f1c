"""The page on which a viewer chooses the time zone of all pages."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cdr_pipeline.console.query import own_path
from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.sessions import CurrentUser, OwnForm
from cdr_pipeline.console.zones import keep_zone, zone_names

router = APIRouter()


@router.get("/times")
def show_times(request: Request, user: CurrentUser) -> Response:  # noqa: ARG001 - every user may choose
    """The zones to choose from."""
    target = own_path(request.query_params.get("next", "/"))
    return page(request, "times.html", zones=zone_names(), target=target)


@router.post("/times", dependencies=[OwnForm])
def choose_zone(
    request: Request,
    user: CurrentUser,  # noqa: ARG001
    zone: Annotated[str, Form(max_length=60)] = "",
    next_page: Annotated[str, Form(alias="next", max_length=4_000)] = "/",
) -> Response:
    """Keeps the zone in this browser and leads back to the page that the viewer came from."""
    target = own_path(next_page)
    if zone and zone not in zone_names():
        return page(request, "times.html", status=400, zones=zone_names(), target=target)
    response = RedirectResponse(target, status_code=303)
    keep_zone(response, request, zone)
    return response
