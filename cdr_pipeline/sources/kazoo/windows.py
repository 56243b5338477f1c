"""Plans windows that together return every record saved in an interval. Pure functions, no requests."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.sources.kazoo.dialects import MAX_RANGE_SECONDS, SwitchDialect

# Distance into the old month, enough to make the server read that month's database.
_BEFORE_EDGE: Final = timedelta(hours=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open UTC interval of the upstream's save time, in whole seconds.

    Attributes:
        starts_at: first second.
        ends_at: the second after the last.
        whole: whether all rows must be read in one page, because the window spans a month's edge, where paging loses
            rows.
        shrunk: whether it covers less than planned, because a gateway timed out on the planned window.
    """

    starts_at: datetime
    ends_at: datetime
    whole: bool = False
    shrunk: bool = False

    @property
    def created_from(self) -> int:
        """First Gregorian second. The server's bounds are inclusive."""
        return to_gregorian(self.starts_at)

    @property
    def created_to(self) -> int:
        """Last Gregorian second."""
        return to_gregorian(self.ends_at) - 1

    @property
    def edge(self) -> datetime:
        """First second of the month in which the window ends."""
        return _this_month(self.ends_at - _SECOND)

    def lighter(self) -> tuple["Window", ...]:
        """Shorter windows to use if this one is too heavy for the switch; none if it cannot be shortened.

        An ordinary window is split into two halves, which cover it. A window across a month's edge must stay across
        the edge: it shrinks around it and no longer covers calls across the edge that were saved after its new end.
        """
        seconds = int((self.ends_at - self.starts_at) / _SECOND)
        if not self.whole:
            middle = self.starts_at + timedelta(seconds=seconds // 2)
            return (Window(self.starts_at, middle), Window(middle, self.ends_at)) if seconds > 1 else ()
        after = int((self.ends_at - self.edge) / _SECOND) // 4
        shrunk = Window(self.edge - _SECOND, self.edge + timedelta(seconds=after), whole=True, shrunk=True)
        return (shrunk,) if after else ()


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
            windows.append(Window(edge - _BEFORE_EDGE, ends_at, whole=True))
        edge = _next_month(edge)
    return tuple(windows)


def edge_spans(
    first: datetime, last: datetime, dialect: SwitchDialect, reach: EdgeReach = EdgeReach()
) -> list[tuple[datetime, datetime]]:
    """Start and end of each interval that windows across months' edges must contain to cover ``[first, last)``."""
    return [
        (window.starts_at + _BEFORE_EDGE - _SECOND, window.ends_at)
        for window in plan_windows(first, last, dialect, reach)
        if window.whole
    ]


def crosses_month(starts_at: datetime, ends_at: datetime) -> bool:
    """Whether a half-open interval has seconds of two UTC months, as only windows with ``whole`` do."""
    return _this_month(starts_at) != _this_month(ends_at - _SECOND)


def _this_month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next_month(moment: datetime) -> datetime:
    return _this_month(_this_month(moment) + timedelta(days=32))
