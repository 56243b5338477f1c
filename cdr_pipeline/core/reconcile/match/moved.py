"""Calls that both sides have at different times: a wrong zone, the end written for the start, or only the numbers.

Without this pass a record that a wrong zone moved into the neighbour day is one call missing and one too many.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.inputs.calls import Flags
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.match.candidates import Edges, candidates
from cdr_pipeline.core.reconcile.match.lengths import length_gap
from cdr_pipeline.core.reconcile.match.passes import Pass

_QUARTER_MS: Final = 900_000
_NEAR_MS: Final = 5_000
_SHORT_MS: Final = 10_000
_WEIGHT_OF_TIME: Final = 8_000
_WEIGHT_OF_NUMBERS: Final = 2_000


def moved_edges(
    it: Comparison, free_a: Flags, free_b: Flags
) -> tuple[Edges, npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """Candidates among what is left: both numbers and the length agree, and the difference of times has a reason.

    Without a reason they must be the only such rows of either side, and not among the shortest calls.

    Returns:
        Candidates, their weights, and the pass that each belongs to by its reason.
    """
    switch, carrier, rules = it.switch, it.carrier, it.rules
    shown_a, shown_b = free_a & ~switch.withheld, free_b & ~carrier.withheld
    edges = candidates(it, rules.number_window_ms, shown_a, shown_b)
    switch_ms, carrier_ms = switch.duration_ms[edges.switch], carrier.duration_ms[edges.carrier]
    gap = length_gap(switch_ms, carrier_ms, *it.tariff.steps(edges.switch), rules.duration_tolerance_ms)
    apart = it.carrier_start[edges.carrier] - switch.start_ms[edges.switch]
    quarters = np.rint(apart / _QUARTER_MS).astype(np.int64)
    by_zone = (quarters != 0) & (np.abs(apart - quarters * _QUARTER_MS) <= _NEAR_MS)
    by_length = np.minimum(np.abs(apart - switch_ms), np.abs(apart + switch_ms)) <= _NEAR_MS
    one_a = np.bincount(edges.switch, minlength=switch.count)[edges.switch] == 1
    one_b = np.bincount(edges.carrier, minlength=carrier.count)[edges.carrier] == 1
    alone = one_a & one_b & (switch_ms >= _SHORT_MS) & gap.exact
    timed = gap.within & (by_zone | by_length)
    weight = np.where(timed, _WEIGHT_OF_TIME, np.where(alone, _WEIGHT_OF_NUMBERS, 0)) - np.where(gap.exact, 0, 500)
    how = np.where(by_zone, Pass.ZONE, Pass.START_OR_END)
    how = np.where(timed, how, Pass.NUMBER).astype(np.int8)
    return edges, weight.astype(np.int32), how
