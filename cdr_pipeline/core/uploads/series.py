"""Files that belong to a series: what their names say, which are missing, which came late."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from cdr_pipeline.core.uploads.profile import FileControl

_DATE: Final = "%Y%m%d"
# A series that was reset or renamed is no gap of a million files.
_MOST_MISSING: Final = 1_000


@dataclass(frozen=True, slots=True)
class SeriesPosition:
    """A file's place in its series, as far as its name tells."""

    file_date: date | None = None
    sequence: int | None = None


def series_position(file_name: str, control: FileControl) -> SeriesPosition:
    """The date and the sequence number in a file's name, by the profile's expression.

    Args:
        file_name: as it came.
        control: groups ``date`` (eight digits) and ``sequence`` of its expression count.
    """
    found = re.search(control.name, file_name) if control.name else None
    if found is None:
        return SeriesPosition()
    groups = found.groupdict()
    try:
        day = datetime.strptime(groups.get("date") or "", _DATE).date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        day = None
    text = groups.get("sequence") or ""
    return SeriesPosition(day, int(text) if text.isdecimal() else None)


def missing_days(received: Collection[date], *, through: date) -> list[date]:
    """Days without a file, from the first that has one to ``through``."""
    if not received:
        return []
    first = min(received)
    days = (first + timedelta(days=number) for number in range((through - first).days + 1))
    return [day for day in days if day not in received]


def missing_numbers(received: Sequence[int]) -> list[int]:
    """Sequence numbers between the first and the last that no file has; the first thousand of them."""
    known = set(received)
    found: list[int] = []
    for low, high in zip(sorted(known), sorted(known)[1:], strict=False):
        found += range(low + 1, min(high, low + 1 + _MOST_MISSING - len(found)))
    return found
