"""Series of files: date and sequence number in file names, and gaps in a series."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cdr_pipeline.core.uploads.profile import FileControl


_DATE: Final = "%Y%m%d"
# Limit of reported files: a series that was reset or renamed would otherwise report millions of missing files.
_MOST_MISSING: Final = 1_000


@dataclass(frozen=True, slots=True)
class SeriesPosition:
    """Position of a file in its series.

    Attributes:
        file_date: date in the file's name; None when the name has no valid date.
        sequence: sequence number in the file's name; None when the name has none.
    """

    file_date: date | None = None
    sequence: int | None = None


def series_position(file_name: str, control: "FileControl") -> SeriesPosition:
    """Reads the date and the sequence number from a file's name.

    Args:
        file_name: name of the file as received.
        control: profile section whose ``name`` is the regular expression with the groups ``date`` (eight digits) and
            ``sequence``.
    """
    match = re.search(control.name, file_name) if control.name else None
    if match is None:
        return SeriesPosition()
    groups = match.groupdict()
    try:
        day = datetime.strptime(groups.get("date") or "", _DATE).date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        day = None
    text = groups.get("sequence") or ""
    return SeriesPosition(day, int(text) if text.isdecimal() else None)


def missing_days(received: Collection[date], *, through: date) -> list[date]:
    """Days without a file, from the first day with a file to ``through``."""
    if not received:
        return []
    first = min(received)
    days = (first + timedelta(days=number) for number in range((through - first).days + 1))
    return [day for day in days if day not in received]


def missing_numbers(received: Sequence[int]) -> list[int]:
    """Missing sequence numbers between the first and the last received one, at most the first thousand."""
    numbers = set(received)
    missing: list[int] = []
    for low, high in zip(sorted(numbers), sorted(numbers)[1:], strict=False):
        missing += range(low + 1, min(high, low + 1 + _MOST_MISSING - len(missing)))
    return missing


def expected_names(like: str, control: "FileControl", days: Sequence[date], numbers: Sequence[int]) -> list[str]:
    """Names of missing files of a series.

    Args:
        like: name of a file that was received.
        control: profile section whose ``name`` is the regular expression with the groups ``date`` and ``sequence``.
        days: missing days.
        numbers: missing sequence numbers; a name has ``*`` unless there is one for each day.
    """
    match = re.search(control.name, like) if control.name else None
    if match is None or match.groupdict().get("date") is None:
        return []
    sequence = match.groupdict().get("sequence") or ""
    named = [f"{number:0{len(sequence)}}" for number in numbers] if len(numbers) == len(days) else ["*"] * len(days)
    return [
        _with_parts(like, match, {"date": day.strftime(_DATE)} | ({"sequence": number} if sequence else {}))
        for day, number in zip(days, named, strict=True)
    ]


def _with_parts(name: str, match: re.Match[str], parts: dict[str, str]) -> str:
    """A name with other texts in the groups of a match."""
    for group in sorted(parts, key=match.start, reverse=True):
        name = name[: match.start(group)] + parts[group] + name[match.end(group) :]
    return name
