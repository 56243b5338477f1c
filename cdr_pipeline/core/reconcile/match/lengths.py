"""Comparison of the two lengths of a call: measured by the switch, possibly rounded up by the carrier."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr_pipeline.core.reconcile.inputs.calls import Flags
from cdr_pipeline.core.reconcile.inputs.rates import Integers, billed_seconds

_SECOND_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class LengthGap:
    """Differences of length, one value per pair.

    Attributes:
        difference_ms: carrier's length minus the switch's measured or billed length, the nearer one; milliseconds.
        exact: less than a second apart.
        within: within tolerance; includes exact ones.
    """

    difference_ms: Integers
    exact: Flags
    within: Flags


def length_gap(
    switch_ms: Integers, carrier_ms: Integers, first: Integers | int, following: Integers | int, tolerance_ms: int
) -> LengthGap:
    """Compares lengths pair by pair.

    A length within tolerance of a billing step may be billed as the step before or after it: with 60/60 a difference of
    one second can become sixty. Such pairs are within tolerance.

    Args:
        switch_ms: measured length, milliseconds.
        carrier_ms: measured or billed length, milliseconds.
        first: first increment, seconds.
        following: next increments, seconds.
        tolerance_ms: largest difference that is within tolerance, milliseconds.
    """
    measured = carrier_ms - switch_ms
    rounded = carrier_ms - billed_seconds(switch_ms, first, following) * _SECOND_MS
    difference = np.where(np.abs(rounded) < np.abs(measured), rounded, measured)
    exact = np.abs(difference) < _SECOND_MS
    within = np.abs(difference) <= tolerance_ms
    open_rows = np.flatnonzero(~within)
    if len(open_rows):
        short = np.maximum(switch_ms[open_rows] - tolerance_ms, 1)
        long = switch_ms[open_rows] + tolerance_ms
        steps = [part if isinstance(part, int) else part[open_rows] for part in (first, following)]
        least = billed_seconds(short, steps[0], steps[1]) * _SECOND_MS
        most = billed_seconds(long, steps[0], steps[1]) * _SECOND_MS
        billed = carrier_ms[open_rows]
        within[open_rows] = (billed == least) | (billed == most)
    return LengthGap(difference, exact, within | exact)
