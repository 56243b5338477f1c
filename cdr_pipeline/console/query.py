"""Values of a query that people type: anything that cannot be read is as if it were not given."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from fastapi import Request

_LONGEST: Final = 30
_LONGEST_NAME: Final = 200


def text_of(request: Request, name: str) -> str:
    """The value of a query, without blanks around it and not longer than a name; empty if it is not given."""
    return request.query_params.get(name, "").strip()[:_LONGEST_NAME]


def date_of(text: str, default: date) -> date:
    """The date of a text such as 2026-03-02, otherwise the default."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return default


def optional_date(text: str) -> date | None:
    """The date of a text such as 2026-03-02, otherwise None."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def whole_number(text: str, least: int, most: int) -> int:
    """The number of a text, within bounds; the lower bound for anything else."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < _LONGEST else least
    return max(least, min(number, most))


def decimal_of(text: str) -> Decimal | None:
    """The decimal of a text with a point or a comma; None for anything else."""
    try:
        number = Decimal(text.strip().replace(",", ".")) if len(text) < _LONGEST else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def own_path(target: str) -> str:
    """A path of this server; ``/`` for anything that a browser could read as another server."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain and "\\" not in target else "/"
