"""Parses times in requests: Gregorian seconds (as on the switch), Unix seconds or microseconds, or ISO 8601.

The magnitude of a number identifies its epoch, because the ranges do not overlap for any possible time of a call.
ISO 8601 requires an offset.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from cdr_pipeline.api.refusals import invalid
from cdr_pipeline.core.records.search import Clock, InstantRange
from cdr_pipeline.core.time.timestamps import GREGORIAN_UNIX_OFFSET, to_gregorian

MAX_RANGE_SECONDS: Final = 2_682_000
_DIGITS: Final = re.compile(r"[0-9]{9,17}")
_EARLIEST: Final = 631_152_000
_LATEST: Final = 5_680_281_600
_RULE: Final = "Gregorian seconds, Unix seconds or microseconds between 1990 and 2150, or ISO 8601 with an offset or Z"


def instant(field: str, text: str) -> datetime:
    """The instant that a parameter names.

    Raises:
        RequestRefused: 400, the value is in none of the supported notations.
    """
    if _DIGITS.fullmatch(text):
        number = int(text)
        for offset, scale in ((GREGORIAN_UNIX_OFFSET, 1), (0, 1), (0, 1_000_000)):
            if _EARLIEST <= (number - offset) / scale <= _LATEST:
                return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=(number - offset) * 1_000_000 // scale)
        raise invalid(field, "timestamp", f"is in no known epoch; {_RULE}", cause=number)
    # In a URL an unencoded plus sign is a space. A space before the offset can only be such a plus sign.
    normalized = re.sub(r" (\d{2}:?\d{2})$", r"+\1", text)
    try:
        moment = datetime.fromisoformat(normalized)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not _EARLIEST <= moment.timestamp() <= _LATEST:
        raise invalid(field, "timestamp", f"must be {_RULE}")
    return moment.astimezone(UTC)


def span_of(
    query: Mapping[str, str], clock: Clock, now: datetime, *, longest_seconds: int | None = MAX_RANGE_SECONDS
) -> InstantRange:
    """The period from ``created_from`` to ``created_to``, both inclusive; missing bounds default as on the switch.

    Args:
        query: parameters of the request.
        clock: time of a record that the period applies to.
        now: current time in UTC.
        longest_seconds: longest period in seconds; None for no limit.

    Raises:
        RequestRefused: 400, the period is reversed or too long.
    """
    last = instant("created_to", query["created_to"]) if "created_to" in query else now.replace(microsecond=0)
    if "created_from" in query:
        first = instant("created_from", query["created_from"])
    else:
        first = last - timedelta(seconds=MAX_RANGE_SECONDS)
    begins, ends = to_gregorian(first), to_gregorian(last)
    if ends < begins:
        raise invalid(
            "created_from", "date_range", f"created_to {ends} is prior to created_from {begins}", cause=begins
        )
    if longest_seconds is not None and ends - begins > longest_seconds:
        raise invalid(
            "created_from",
            "date_range",
            f"created_to {ends} is more than {longest_seconds} seconds from created_from {begins}",
            cause=ends,
        )
    return InstantRange(clock, first, last.replace(microsecond=0))
