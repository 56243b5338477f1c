"""The parts of the search of an extract: days, several fast days at once, or parts of a day that is large or slow."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from cdr_pipeline.core.records.search import Compare, Condition, Operator, Search

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_DAY_SECONDS: Final = 86_400
# Seconds of a period that a slice has at most, and how long a slice takes that is fast or slow.
_MOST_SECONDS: Final = 31 * _DAY_SECONDS
_FAST_SECONDS: Final = 1.0
_SLOW_SECONDS: Final = 10.0
# Slices that replace one that was too large. They grow again while they use less than this share of their limits.
_DIVIDED_BY: Final = 64
_SMALL_SHARE: Final = 0.25
# Business dates of calls are within these; a search can name others.
_EARLIEST: Final = date(1990, 1, 1)
_LATEST: Final = date(2150, 1, 1)
# A record is saved at most this long after the business date on which it started; a zone adds a day on either side.
_LONGEST: Final = timedelta(days=33)


class ExtractSlices:
    """The parts of a search in the order of its rows, without days (UTC) on which the account has no records.

    ``current`` is the same part until ``complete`` or ``divide`` is called.

    Args:
        search: the search with its whole period, or with business dates instead of one.
        days: first and last business date of the records of the account; None if there are none.
    """

    def __init__(self, search: Search, days: tuple[date, date] | None) -> None:
        self._search = search
        span = search.span
        if span is None:
            # Business dates are one slice, as long as it is fast enough.
            dates = [min(max(day, _EARLIEST), _LATEST) for day in _business_dates(search)]
            self._first, self._last = _begin_of(min(dates) - 2 * _DAY), _end_of(max(dates) + _LONGEST)
            self._seconds = _seconds_of(self._first, self._last)
            self._whole = (self._first, self._last)
            self.total = 1
            return
        first, last = span.first.date(), span.last.date()
        if days is None or days[1] + _LONGEST < first or days[0] - 2 * _DAY > last:
            # Nothing is found, but the file has a header.
            first = last
        else:
            first, last = max(first, days[0] - 2 * _DAY), min(last, days[1] + _LONGEST)
        self._first, self._last = max(span.first, _begin_of(first)), min(span.last, _end_of(last))
        self._seconds = _DAY_SECONDS
        self._whole = (self._first, self._last)
        self.total = self._days_left

    @property
    def done(self) -> int:
        """Number of days that are complete; of a search by business dates, 1 after its end."""
        if self._search.span is None:
            return int(self.is_done)
        return self.total - self._days_left

    @property
    def is_done(self) -> bool:
        """Whether all parts are complete."""
        return self._first > self._last

    @property
    def is_shortest(self) -> bool:
        """Whether the current part cannot be divided."""
        return _seconds_of(*self._bounds) <= 1

    def current(self) -> Search:
        """The part of the search that comes next."""
        first, last = self._bounds
        span = self._search.span
        if span is not None:
            return replace(self._search, span=replace(span, first=first, last=last))
        # Conditions instead of a span, which would exclude calls of more than a month.
        bounds: list[Condition] = []
        if first != self._whole[0]:
            bounds.append(Compare((self._search.clock,), Operator.AT_LEAST, (first,)))
        if last != self._whole[1]:
            bounds.append(Compare((self._search.clock,), Operator.AT_MOST, (last + _SECOND - timedelta.resolution,)))
        return replace(self._search, conditions=(*self._search.conditions, *bounds))

    def complete(self, seconds: float, share: float) -> None:
        """Goes on to the next part.

        Args:
            seconds: duration of the current part.
            share: share of its limits of time and bytes that it used.
        """
        first, last = self._bounds
        if self._search.ascending:
            self._first = last + _SECOND
        else:
            self._last = first - _SECOND
        if self._seconds >= _DAY_SECONDS and seconds > _SLOW_SECONDS:
            self._seconds = _DAY_SECONDS
        elif share < _SMALL_SHARE and (self._seconds < _DAY_SECONDS or seconds < _FAST_SECONDS):
            self._seconds = min(2 * self._seconds, max(_MOST_SECONDS, self._seconds))

    def divide(self) -> None:
        """Replaces the current part, which was too large or too slow, by shorter ones."""
        self._seconds = max(1, _seconds_of(*self._bounds) // _DIVIDED_BY)

    @property
    def named(self) -> str:
        """The current part for an error."""
        if self._search.span is None and self._bounds == self._whole:
            return "the records"
        first, last = self._bounds
        if self.is_shortest or first.date() == last.date():
            return f"the records of {first:%Y-%m-%d}"
        return f"the records of {first:%Y-%m-%d} to {last:%Y-%m-%d}"

    @property
    def _bounds(self) -> tuple[datetime, datetime]:
        """First and last second of the current part; parts of a day end with the day."""
        days, rest = self._seconds // _DAY_SECONDS, timedelta(seconds=self._seconds - 1)
        if self._search.ascending:
            first = self._first
            if days:
                return first, min(self._last, _end_of(first.date() + (days - 1) * _DAY))
            return first, min(self._last, _end_of(first.date()), first.replace(microsecond=0) + rest)
        last = self._last
        if days:
            return max(self._first, _begin_of(last.date() - (days - 1) * _DAY)), last
        return max(self._first, _begin_of(last.date()), last - rest), last

    @property
    def _days_left(self) -> int:
        return 0 if self.is_done else (self._last.date() - self._first.date()).days + 1


def _business_dates(search: Search) -> list[date]:
    return [
        value
        for part in search.conditions
        if isinstance(part, Compare) and part.columns == ("business_date",)
        for value in part.values
        if isinstance(value, date)
    ]


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _end_of(day: date) -> datetime:
    """Last second of a day."""
    return _begin_of(day + _DAY) - _SECOND


def _seconds_of(first: datetime, last: datetime) -> int:
    """Seconds of a range that includes both."""
    return int((last - first).total_seconds()) + 1
