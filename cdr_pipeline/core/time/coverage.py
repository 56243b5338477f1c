"""Coverage of time by windows: up to which instant, and which planned intervals are missing."""

from collections.abc import Iterable
from datetime import datetime


def covered_through(first: datetime, windows: Iterable[tuple[datetime, datetime]]) -> datetime:
    """The instant up to which half-open windows cover time without a gap from ``first`` on.

    Args:
        first: instant at which coverage must begin.
        windows: ``(starts_at, ends_at)`` in any order; windows may overlap.

    Returns:
        End of the coverage; ``first`` when no window covers it.
    """
    covered_end = first
    for starts_at, ends_at in sorted(windows):
        if starts_at > covered_end:
            break
        covered_end = max(covered_end, ends_at)
    return covered_end


def not_covered(
    planned: Iterable[tuple[datetime, datetime]], windows: Iterable[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """Planned intervals that no single window contains, in their order.

    Several shorter windows do not cover an interval: an interval across the end of a month must be read in one piece.

    Args:
        planned: ``(starts_at, ends_at)`` of the intervals to read.
        windows: ``(starts_at, ends_at)`` of the windows that were read, in any order.
    """
    read_windows = list(windows)
    return [
        (starts_at, ends_at)
        for starts_at, ends_at in planned
        if not any(first <= starts_at and ends_at <= last for first, last in read_windows)
    ]
