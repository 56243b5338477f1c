"""The time zone in which a viewer wants to read times, kept in a cookie of the browser."""

from functools import cache
from typing import Final
from zoneinfo import available_timezones

from fastapi import Request
from fastapi.responses import Response

from cdr_pipeline.console.sessions import is_local

_COOKIE: Final = "cdr_zone"
_KEPT_SECONDS: Final = 365 * 24 * 3600
# Areas of the names that people know; the others are older names of the same zones.
_AREAS: Final = frozenset(
    {"Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
)


@cache
def zone_names() -> tuple[str, ...]:
    """Names of all time zones to choose from, in alphabetical order."""
    named = {name for name in available_timezones() if name.split("/")[0] in _AREAS}
    return tuple(sorted({*named, "UTC"}))


def chosen_zone(request: Request) -> str | None:
    """The viewer's zone; None for the zone that each page has: that of the account, or UTC."""
    name = request.cookies.get(_COOKIE, "")
    return name if name in zone_names() else None


def keep_zone(response: Response, request: Request, name: str) -> None:
    """Keeps the zone for a year; an empty name forgets it."""
    if name:
        response.set_cookie(
            _COOKIE, name, max_age=_KEPT_SECONDS, httponly=True, samesite="lax", secure=not is_local(request), path="/"
        )
    else:
        response.delete_cookie(_COOKIE, path="/", httponly=True, samesite="lax")
