"""Which windows to ask for, so that together they return every record that was saved in a span. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.sources.kazoo.dialects import MAX_RANGE_SECONDS, SwitchDialect

# Into the old month, far enough to have its database read.
_BEFORE_EDGE: Final = timedelta(hours=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open UTC interval of the upstream's save time, in whole seconds.

    Attributes:
        starts_at: first second.
        ends_at: the second after the last.
        whole: must be read in one page: it spans a month's edge, where pages lose rows.
        shrunk: covers less than was planned, because a gateway gave up on the whole window.
    """

    starts_at: datetime
    ends_at: datetime
    whole: bool = False
    shrunk: bool = False

    @property
    def created_from(self) -> int:
        """First Gregorian second; the server's bounds are inclusive."""
        return to_gregorian(self.starts_at)

    @property
    def created_to(self) -> int:
        """Last Gregorian second."""
        return to_gregorian(self.ends_at) - 1

    @property
    def edge(self) -> datetime:
        """First second of the month in which it ends."""
        return _this_month(self.ends_at - _SECOND)

    def lighter(self) -> tuple["Window", ...]:
        """Windows to ask for when this one is too heavy for the switch; none when nothing lighter makes sense.

        An ordinary window gives its two halves, which cover it. One across a month's edge must stay across it: it
        shrinks around the edge and no longer covers calls over the edge that were saved after its new end.
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
    """How far into the new month windows across a month's edge reach.

    Attributes:
        longest_call: longest call over the edge that is found on servers of 4.3 and later.
        save_lag: how long after the edge records of calls that ended before it are saved, at most; before 4.3.
    """

    longest_call: timedelta = timedelta(hours=24)
    save_lag: timedelta = timedelta(hours=6)

    def of(self, dialect: SwitchDialect) -> timedelta:
        """The reach that the servers of a dialect need."""
        return max(self.longest_call if dialect.hides_month_edges else self.save_lag, _SECOND)


def plan_windows(
    first: datetime, last: datetime, dialect: SwitchDialect, reach: EdgeReach = EdgeReach()
) -> tuple[Window, ...]:
    """Windows for every record saved in ``[first, last)``.

    None is longer than the server's limit. None that is read in pages crosses a UTC month, because servers page each
    month's database apart and lose or repeat rows where they pass from one to the next. One more window, read whole,
    lies across each month's edge that the span touches, because a record may be in the old month's database and have a
    save time in the new month: on 4.3 and later every call over the edge, before that one that ended in the last
    seconds of the month. Rows of this window come twice and are merged once.

    Args:
        first: aware, whole seconds.
        last: aware, whole seconds, after ``first``.
        dialect: of the server.
        reach: how far the windows across a month's edge go.
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
    """What windows across months' edges must contain for ``[first, last)`` to be covered: start and end of each."""
    return [
        (window.starts_at + _BEFORE_EDGE - _SECOND, window.ends_at)
        for window in plan_windows(first, last, dialect, reach)
        if window.whole
    ]


def crosses_month(starts_at: datetime, ends_at: datetime) -> bool:
    """Whether a half-open interval has seconds of two UTC months: only a window that is read whole does."""
    return _this_month(starts_at) != _this_month(ends_at - _SECOND)


def _this_month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next_month(moment: datetime) -> datetime:
    return _this_month(_this_month(moment) + timedelta(days=32))
