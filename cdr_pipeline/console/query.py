"""Values of a query that people type: anything that cannot be read is as if it were not given."""

from datetime import date


def date_of(text: str, default: date) -> date:
    """The date of a text such as 2026-03-02, otherwise the default."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return default
