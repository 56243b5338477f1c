"""Last passes: calls that the sides record at different times because of a wrong zone, or end instead of start.

Without them, a record that a wrong zone moves to another day is reported as one missing and one extra call.
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
    comparison: Comparison, free_a: Flags, free_b: Flags
) -> tuple[Edges, npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """Candidates among unpaired rows: both numbers and the length agree, and the time difference has an explanation.

    Without an explanation, they must be the only such rows on either side and last at least ten seconds.

    Returns:
        Candidates, their weights, and the pass of each by its explanation.
    """
    switch, carrier, rules = comparison.switch, comparison.carrier, comparison.rules
    shown_a, shown_b = free_a & ~switch.withheld, free_b & ~carrier.withheld
    edges = candidates(comparison, rules.number_window_ms, shown_a, shown_b)
    switch_ms, carrier_ms = switch.duration_ms[edges.switch], carrier.duration_ms[edges.carrier]
    gap = length_gap(switch_ms, carrier_ms, *comparison.tariff.steps(edges.switch), rules.duration_tolerance_ms)
    time_difference = comparison.carrier_start[edges.carrier] - switch.start_ms[edges.switch]
    quarters = np.rint(time_difference / _QUARTER_MS).astype(np.int64)
    by_zone = (quarters != 0) & (np.abs(time_difference - quarters * _QUARTER_MS) <= _NEAR_MS)
    by_length = np.minimum(np.abs(time_difference - switch_ms), np.abs(time_difference + switch_ms)) <= _NEAR_MS
    single_a = np.bincount(edges.switch, minlength=switch.count)[edges.switch] == 1
    single_b = np.bincount(edges.carrier, minlength=carrier.count)[edges.carrier] == 1
    only_by_numbers = single_a & single_b & (switch_ms >= _SHORT_MS) & gap.exact
    explained = gap.within & (by_zone | by_length)
    weight = np.where(explained, _WEIGHT_OF_TIME, np.where(only_by_numbers, _WEIGHT_OF_NUMBERS, 0)) - np.where(
        gap.exact, 0, 500
    )
    pass_codes = np.where(by_zone, Pass.ZONE, Pass.START_OR_END)
    pass_codes = np.where(explained, pass_codes, Pass.NUMBER).astype(np.int8)
    return edges, weight.astype(np.int32), pass_codes
