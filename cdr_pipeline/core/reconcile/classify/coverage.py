"""Times that the other side's records do not cover: a truncated file proves nothing about the calls after its end."""

from datetime import datetime
from typing import Final

import numpy as np

from cdr_pipeline.core.reconcile.inputs.calls import Flags
from cdr_pipeline.core.reconcile.inputs.rates import Integers

# This many unpaired calls beyond the other side's records mean a truncated file; fewer may be calls that it lost.
_LEAST_ROWS: Final = 30


def outside_coverage(
    start_ms: Integers,
    unpaired: Flags,
    other_start_ms: Integers,
    covers: tuple[datetime, datetime] | None,
    window_ms: int,
) -> Flags:
    """Unpaired rows at times for which the other side has no records.

    Args:
        start_ms: start times of one side's rows, milliseconds on the switch's clock.
        unpaired: rows of that side without a partner.
        other_start_ms: start times of the other side's billable rows, milliseconds on the switch's clock.
        covers: half-open interval that the other side covers, if known. Otherwise it covers the time from its first to
            its last row, provided at least 30 unpaired rows of this side are beyond that.
        window_ms: largest distance of a partner beyond the first and last row, milliseconds.
    """
    if covers is not None:
        first, end = (round(moment.timestamp() * 1_000) for moment in covers)
        return unpaired & ((start_ms < first) | (start_ms >= end))
    if not len(other_start_ms):
        return np.zeros(len(start_ms), np.bool_)
    outside = np.zeros(len(start_ms), np.bool_)
    first_ms, last_ms = other_start_ms.min(), other_start_ms.max()
    if (unpaired & (start_ms < first_ms - window_ms)).sum() >= _LEAST_ROWS:
        outside |= unpaired & (start_ms < first_ms)
    if (unpaired & (start_ms > last_ms + window_ms)).sum() >= _LEAST_ROWS:
        outside |= unpaired & (start_ms > last_ms)
    return outside
