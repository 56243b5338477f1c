"""Plans windows that together return every record saved in an interval. Pure functions, no requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.sources.kazoo.dialects import MAX_RANGE_SECONDS, SwitchDialect
from cdr_pipeline.sources.upstream import LighterWindows, Span, Window

# Distance into the old month, enough to make the server read that month's database.
_BEFORE_EDGE: Final = timedelta(hours=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class EdgeReach:
    """How far windows across a month's edge extend into the new month.

    Attributes:
        longest_call: duration of the longest call across the edge that is found on servers of 4.3 and later.
        save_lag: longest delay between the edge and the saving of a call that ended before it; for servers before 4.3.
    """

    longest_call: timedelta = timedelta(hours=24)
    save_lag: timedelta = timedelta(hours=6)

    def of(self, dialect: SwitchDialect) -> timedelta:
        """The part of the new month that windows must cover on servers of a dialect."""
        return max(self.longest_call if dialect.hides_month_edges else self.save_lag, _SECOND)


def plan_windows(
    first: datetime, last: datetime, dialect: SwitchDialect, reach: EdgeReach = EdgeReach()
) -> tuple[Window, ...]:
    """Plans windows for every record saved in ``[first, last)``.

    No window is longer than the server's limit. No window that is read in pages crosses a UTC month, because servers
    page each month's database separately and lose or repeat rows between two of them. For each month's edge in the
    interval there is one more window across the edge, which is read in one page. It is needed because a record in the
    old month's database may have a save time in the new month: on 4.3 and later every call across the edge, on older
    servers a call that ended in the last seconds of the month. Rows of this window occur twice and are merged once.

    Args:
        first: start of the interval, time zone aware, in whole seconds.
        last: end of the interval, time zone aware, in whole seconds, after ``first``.
        dialect: dialect of the server.
        reach: how far the windows across a month's edge extend into the new month.
    """
    windows: list[Window] = []
    starts_at = first
    while starts_at < last:
        ends_at = min(starts_at + timedelta(seconds=MAX_RANGE_SECONDS), last, _next_month(starts_at))
        windows.append(Window(starts_at, ends_at))
        starts_at = ends_at
    after = reach.of(dialect)
    edge = _this_month(first - after)
    while edge < last:
        if edge + after > first:
            ends_at = min(edge + after, max(last, edge + _SECOND))
            windows.append(Window(edge - _BEFORE_EDGE, ends_at))
        edge = _next_month(edge)
    return tuple(windows)


def edge_spans(first: datetime, last: datetime, dialect: SwitchDialect, reach: EdgeReach = EdgeReach()) -> list[Span]:
    """Start and end of each interval that windows across months' edges must contain to cover ``[first, last)``."""
    return [
        (window.starts_at + _BEFORE_EDGE - _SECOND, window.ends_at)
        for window in plan_windows(first, last, dialect, reach)
        if crosses_month(window)
    ]


def crosses_month(window: Window) -> bool:
    """Whether a window has seconds of two UTC months.

    All rows of such a window must be read in one page, because paging across a month's edge loses rows.
    """
    return _this_month(window.starts_at) != _this_month(window.ends_at - _SECOND)


def is_shrunk(window: Window) -> bool:
    """Whether a window across a month's edge covers less than planned, because a gateway timed out."""
    return crosses_month(window) and window.starts_at == month_edge(window) - _SECOND


def created_range(window: Window) -> tuple[int, int]:
    """First and last Gregorian second of a window. The server's bounds are inclusive."""
    return to_gregorian(window.starts_at), to_gregorian(window.ends_at) - 1


def month_edge(window: Window) -> datetime:
    """First second of the month in which a window ends."""
    return _this_month(window.ends_at - _SECOND)


def lighter_windows(window: Window) -> LighterWindows:
    """Shorter windows to use if this one is too heavy for the switch.

    An ordinary window is split into two halves, which cover it. A window across a month's edge must stay across the
    edge: it shrinks around it and no longer covers calls across the edge that were saved after its new end.
    """
    seconds = int((window.ends_at - window.starts_at) / _SECOND)
    if not crosses_month(window):
        middle = window.starts_at + timedelta(seconds=seconds // 2)
        halves = (Window(window.starts_at, middle), Window(middle, window.ends_at))
        return LighterWindows(halves if seconds > 1 else ())
    edge = month_edge(window)
    after = int((window.ends_at - edge) / _SECOND) // 4
    if not after:
        return LighterWindows(())
    shrunk = Window(edge - _SECOND, edge + timedelta(seconds=after))
    return LighterWindows(
        (shrunk,),
        missing=f"of the calls over the month's edge, those saved after {shrunk.ends_at:%Y-%m-%d %H:%M:%S} UTC may be"
        " missing",
        hint="raise the gateway's timeout, or lower CDR_COLLECT_LONGEST_CALL_HOURS",
    )


def windows_again(spans: Sequence[Span]) -> tuple[Window, ...]:
    """Windows of recorded spans, without those inside another one of the same kind."""
    windows = [Window(*span) for span in spans]
    return tuple(
        window
        for window in windows
        if not any(
            other != window
            and other.starts_at <= window.starts_at
            and window.ends_at <= other.ends_at
            and crosses_month(other) == crosses_month(window)
            for other in windows
        )
    )


def _this_month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next_month(moment: datetime) -> datetime:
    return _this_month(_this_month(moment) + timedelta(days=32))
