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
