"""Start, answer and end of calls, by the order of the times."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from cdr_pipeline.sources.uploads.drafting.columns.column_words import DATE, TIME_OF_DAY
from cdr_pipeline.sources.uploads.drafting.columns.contents import Contents
from cdr_pipeline.sources.uploads.drafting.columns.roles import Choice
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet

FIRST_TIMES: Final = "the first column of times"


def take_date_and_clock(
    free: Callable[[str], list[str]],
    sheet: Sheet,
    contents: Mapping[str, Contents],
    choices: dict[str, Choice],
    take: Callable[..., None],
) -> None:
    """The start of a call as a date and a time of day; durations written as clocks have earlier hours."""
    dates, clocks = free("dates"), free("clocks")
    if DATE not in choices and dates and set(clocks) - {dates[0]}:
        take(DATE, dates[0], "a column of dates")
    clocks = [name for name in clocks if DATE in choices and name != choices[DATE].columns[0]]
    if not clocks or TIME_OF_DAY in choices:
        return
    date = sheet.names.index(choices[DATE].columns[0])
    nearest = min(clocks, key=lambda name: abs(sheet.names.index(name) - date))
    latest = max(clocks, key=lambda name: max(contents[name].clock_minutes, default=0))
    is_certain = contents[nearest].clock_minutes == contents[latest].clock_minutes
    take(TIME_OF_DAY, nearest, "a column of times of day", "likely" if is_certain else "guess")
    choices[TIME_OF_DAY].others = [name for name in clocks if name != nearest]


def take_times(
    instants: list[str],
    sheet: Sheet,
    contents: Mapping[str, Contents],
    choices: dict[str, Choice],
    take: Callable[..., None],
) -> None:
    """Start, answer and end are columns of times in this order."""
    named = [name for name in instants if re.search(r"creat|start|begin", name)] if sheet.has_header else []
    start = (named or instants)[0]
    confidence = "likely" if len(instants) == 1 or not sheet.has_header else "guess"
    take("started_at", start, FIRST_TIMES, confidence)
    if sheet.has_header:
        choices["started_at"].others = [name for name in instants if name != start]
        return
    kind = (contents[start].epoch, contents[start].iso, contents[start].date_times[:1])
    later = [
        name
        for name in instants[1:]
        if (contents[name].epoch, contents[name].iso, contents[name].date_times[:1]) == kind
    ]
    ends = [name for name in later if _never_before(contents[start], contents[name])]
    if ends:
        take("ended_at", ends[-1], "times at or after the start", "likely")
        if len(ends) > 1:
            take("answered_at", ends[0], "times between start and end", "likely")
        else:
            # A column that is always empty between the two is the answer of calls that were never answered.
            between = sheet.names[sheet.names.index(start) + 1 : sheet.names.index(ends[-1])]
            if len(between) == 1 and not contents[between[0]].filled:
                take("answered_at", between[0], "empty, between start and end", "guess")


def _never_before(first: Contents, later: Contents) -> bool:
    pairs = [(one, other) for one, other in zip(first.times(), later.times(), strict=True) if one and other]
    return bool(pairs) and all(one <= other for one, other in pairs)
