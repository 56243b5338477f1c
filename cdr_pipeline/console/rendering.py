"""Renders the templates with escaping, the language of the browser, and the user of the request."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache, partial
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cdr_pipeline import __version__
from cdr_pipeline.console.catalog import Language, preferred_language
from cdr_pipeline.console.links import signed_link
from cdr_pipeline.console.meanings import Words, screen_of
from cdr_pipeline.console.sessions import csrf_token, user_of
from cdr_pipeline.console.zones import chosen_zone
from cdr_pipeline.core.charts.composed_text import ComposedText
from cdr_pipeline.steps.accounts.users import Permission

# Of more accounts, a field takes the name of one; a list of all would make pages large.
_MOST_CHOICES: Final = 100
# Texts of notices that a redirect can name; anything else in the address is ignored.
NOTICES: Final = {
    "decided": "The decision is recorded.",
    "none_selected": "Nothing was decided: select at least one break.",
    "sealed": "The day is sealed.",
    "asked": "A second approver must confirm this. It waits on the page of the day and on the first page of approvers.",
    "turned_down": "The request is turned down.",
    "restated": "The day is restated.",
    "unchanged": "The late changes cancel each other out; the file stays as it is.",
    "loaded": "The file is loaded.",
    "invoice": "The invoice is stored.",
    "invoice_known": "This invoice was stored before; nothing was changed.",
    "corrected": "The changed lines are imported.",
    "still_rejected": "The changed lines were read again; the lines below are still rejected.",
    "dismissed": "The lines are dismissed.",
    "profile": "The profile is saved.",
    "released": "The file is released and loaded.",
    "discarded": "The file is discarded.",
    "changed": "The user is changed.",
    "rule": "The rule is added, and has decided the open breaks that it covers.",
    "rule_ended": "The rule has ended. Its decisions stay.",
    "run": "The run has started.",
    "extract_requested": "The file is requested and made in the background.",
    "extract_deleted": "The file is deleted.",
    "extracts_full": "Too many files of this account wait to be made. Nothing was requested.",
    "extracts_no_space": "The files of this account have as many bytes as allowed: delete one. Nothing was requested.",
    "signed_out": "You are signed out.",
}


def page(request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """One page. ``values`` are the names that the template uses."""
    spoken = preferred_language(request.headers.get("accept-language", ""))
    user = user_of(request)
    zone = chosen_zone(request)
    html = (
        _templates()
        .get_template(template)
        .render(
            **values,
            _=spoken.text,
            say=spoken.composed,
            words=Words(spoken),
            screen_of=screen_of,
            is_composed=lambda text: isinstance(text, ComposedText),
            language=spoken,
            number=spoken.number,
            amount=spoken.amount,
            day=spoken.day,
            time=lambda value, default: spoken.time(value, zone or default),
            zone_of=lambda default: zone or default,
            month_name=spoken.month,
            short_day=spoken.short_day,
            as_number=_as_number,
            as_instant=_as_instant,
            user=user,
            may={item.value: user is not None and user.may(item) for item in Permission},
            csrf=csrf_token(request) if user else "",
            path=request.url.path,
            here=_here(request),
            signed=partial(signed_link, request),
            notice=NOTICES.get(request.query_params.get("notice", "")),
            version=__version__,
            zone=zone,
            most_choices=_MOST_CHOICES,
        )
    )
    response = HTMLResponse(html, status_code=status)
    response.headers["Content-Language"] = spoken.code
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response


def _here(request: Request) -> Callable[..., str]:
    """Builds addresses of the page with other values in its query, such as ``here(format="csv")``."""
    query = {name: request.query_params.getlist(name) for name in request.query_params if name != "notice"}

    def address(**changes: object) -> str:
        return f"{request.url.path}?{_query({**query, **changes})}"

    return address


def language_of(request: Request) -> Language:
    """The language of the browser."""
    return preferred_language(request.headers.get("accept-language", ""))


def _as_number(text: object) -> Decimal | None:
    """The number of a text of a record; None for a text without one."""
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return None


def _as_instant(text: object) -> datetime | None:
    """The time of a text such as 2026-03-02T08:00:00Z; None for another text."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("cdr_pipeline.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters["query"] = _query
    templates.filters["segment"] = lambda text: quote(str(text), safe="")
    templates.filters["svg"] = _svg
    templates.tests["instant"] = lambda value: isinstance(value, datetime)
    templates.tests["amount"] = lambda value: isinstance(value, Decimal)
    templates.tests["day"] = lambda value: isinstance(value, date)
    return templates


def _query(values: dict[str, object]) -> str:
    """A query string of the values that are set; a list becomes several."""
    return urlencode({key: value for key, value in values.items() if value not in (None, "", [])}, doseq=True)


def _svg(text: str) -> Markup:
    """Markup of a chart that ``core.charts`` made and escaped."""
    return Markup(text)  # noqa: S704 - columns_svg escapes its texts
