"""What the other side's records do not cover: a file cut short says nothing about the calls after its end."""

from datetime import datetime
from typing import Final

import numpy as np

from cdr_pipeline.core.reconcile.inputs.calls import Flags
from cdr_pipeline.core.reconcile.inputs.rates import Integers

# So many calls in a row without any record are not chance; fewer may be calls that the other side lost.
_NOT_CHANCE: Final = 30


def outside_coverage(
    start_ms: Integers, alone: Flags, other_start_ms: Integers, covers: tuple[datetime, datetime] | None, window_ms: int
) -> Flags:
    """Rows without partner that lie where the other side has no records.

    Args:
        start_ms: of one side, on the switch's clock.
        alone: its rows without partner.
        other_start_ms: of the other side's billable rows, on the switch's clock.
        covers: what the other side covers, where that is known; else from its first to its last row, wherever so many
            rows of this side lie beyond that it cannot be chance.
        window_ms: that far beyond the first and last row a partner could have been.
    """
    if covers is not None:
        first, end = (round(moment.timestamp() * 1_000) for moment in covers)
        return alone & ((start_ms < first) | (start_ms >= end))
    if not len(other_start_ms):
        return np.zeros(len(start_ms), np.bool_)
    found = np.zeros(len(start_ms), np.bool_)
    first_ms, last_ms = other_start_ms.min(), other_start_ms.max()
    if (alone & (start_ms < first_ms - window_ms)).sum() >= _NOT_CHANCE:
        found |= alone & (start_ms < first_ms)
    if (alone & (start_ms > last_ms + window_ms)).sum() >= _NOT_CHANCE:
        found |= alone & (start_ms > last_ms)
    return found
