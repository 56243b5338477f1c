"""Times of requests: Gregorian seconds as the switch has them, Unix seconds or microseconds, or ISO 8601.

The magnitude tells the numbers apart, for no call of one epoch falls into the range of another. ISO needs an offset.
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
        RequestRefused: 400, it is in no known notation; never guessed.
    """
    if _DIGITS.fullmatch(text):
        number = int(text)
        for offset, scale in ((GREGORIAN_UNIX_OFFSET, 1), (0, 1), (0, 1_000_000)):
            if _EARLIEST <= (number - offset) / scale <= _LATEST:
                return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=(number - offset) * 1_000_000 // scale)
        raise invalid(field, "timestamp", f"is in no known epoch; {_RULE}", cause=number)
    # A plus sign that was not encoded has become a space; no time has one before its offset.
    mended = re.sub(r" (\d{2}:?\d{2})$", r"+\1", text)
    try:
        moment = datetime.fromisoformat(mended)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not _EARLIEST <= moment.timestamp() <= _LATEST:
        raise invalid(field, "timestamp", f"must be {_RULE}")
    return moment.astimezone(UTC)


def span_of(query: Mapping[str, str], clock: Clock, now: datetime) -> InstantRange:
    """``created_from`` and ``created_to``, both inclusive; what is missing is filled as the switch does it.

    Raises:
        RequestRefused: 400, reversed or longer than 31 days and an hour.
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
    if ends - begins > MAX_RANGE_SECONDS:
        raise invalid(
            "created_from",
            "date_range",
            f"created_to {ends} is more than {MAX_RANGE_SECONDS} seconds from created_from {begins}",
            cause=ends,
        )
    return InstantRange(clock, first, last.replace(microsecond=0))
