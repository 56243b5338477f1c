"""How far a run of windows reaches without a gap."""

from collections.abc import Iterable
from datetime import datetime


def covered_through(first: datetime, windows: Iterable[tuple[datetime, datetime]]) -> datetime:
    """The instant up to which half-open ``windows`` cover everything from ``first`` on; ``first`` when they do not.

    Args:
        first: where coverage must begin.
        windows: ``(starts_at, ends_at)`` in any order; overlaps are fine.
    """
    reached = first
    for starts_at, ends_at in sorted(windows):
        if starts_at > reached:
            break
        reached = max(reached, ends_at)
    return reached


def not_covered(
    planned: Iterable[tuple[datetime, datetime]], windows: Iterable[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """Planned intervals that no single window contains, in their order.

    Windows that must be read in one piece, those across a month's edge, are not covered by several shorter ones.

    Args:
        planned: ``(starts_at, ends_at)``.
        windows: ``(starts_at, ends_at)`` of what was read, in any order.
    """
    read = list(windows)
    return [
        (starts_at, ends_at)
        for starts_at, ends_at in planned
        if not any(first <= starts_at and ends_at <= last for first, last in read)
    ]
