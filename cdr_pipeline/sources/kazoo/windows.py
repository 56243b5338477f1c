"""Which windows to ask for, so that together they return every record that was saved in a span. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cdr_pipeline.core.timestamps import to_gregorian
from cdr_pipeline.sources.kazoo.dialects import MAX_RANGE_SECONDS, Dialect

# Across a month's edge: into the old month far enough to have its database read, into the new one for a day-long call.
_BEFORE_EDGE: Final = timedelta(hours=1)
_AFTER_EDGE: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open UTC interval of the upstream's save time, in whole seconds.

    Attributes:
        starts_at: first second.
        ends_at: the second after the last.
        whole: must be read in one page: it spans a month's edge, where pages lose rows.
    """

    starts_at: datetime
    ends_at: datetime
    whole: bool = False

    @property
    def created_from(self) -> int:
        """First Gregorian second; the server's bounds are inclusive."""
        return to_gregorian(self.starts_at)

    @property
    def created_to(self) -> int:
        """Last Gregorian second."""
        return to_gregorian(self.ends_at) - 1

    def lighter(self) -> tuple["Window", ...]:
        """Windows to ask for when this one is too heavy for the switch; none when nothing lighter makes sense.

        An ordinary window gives its two halves. One across a month's edge must go on lying across it: it shrinks
        around the edge, and then misses only calls over the edge that were saved later than its new end.
        """
        seconds = int((self.ends_at - self.starts_at) / _SECOND)
        if not self.whole:
            middle = self.starts_at + timedelta(seconds=seconds // 2)
            return (Window(self.starts_at, middle), Window(middle, self.ends_at)) if seconds > 1 else ()
        edge = _this_month(self.ends_at - _SECOND)
        after = int((self.ends_at - edge) / _SECOND) // 4
        return (Window(edge - _SECOND, edge + timedelta(seconds=after), whole=True),) if after else ()


def plan_windows(first: datetime, last: datetime, dialect: Dialect) -> tuple[Window, ...]:
    """Windows for every record saved in ``[first, last)``.

    None is longer than the server's limit. None crosses a UTC month, because servers page each month's database apart
    and lose or repeat rows where they pass from one to the next. On 4.3 and later one more window, read whole, lies
    across each month's edge that the span touches, because a call over the edge is filed under the month in which it
    began and saved in the next; its rows come twice and are merged once.

    Args:
        first: aware, whole seconds.
        last: aware, whole seconds, after ``first``.
        dialect: of the server.
    """
    windows: list[Window] = []
    edges: list[datetime] = []
    starts_at = first
    while starts_at < last:
        ends_at = min(starts_at + timedelta(seconds=MAX_RANGE_SECONDS), last, _next_month(starts_at))
        windows.append(Window(starts_at, ends_at))
        starts_at = ends_at
    if dialect.hides_month_edges:
        edge = _this_month(first - _AFTER_EDGE)
        while edge < last:
            if edge + _AFTER_EDGE > first:
                edges.append(edge)
            edge = _next_month(edge)
    return (
        *windows,
        *(
            Window(edge - _BEFORE_EDGE, min(edge + _AFTER_EDGE, max(last, edge + _SECOND)), whole=True)
            for edge in edges
        ),
    )


def _this_month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next_month(moment: datetime) -> datetime:
    return _this_month(_this_month(moment) + timedelta(days=32))
