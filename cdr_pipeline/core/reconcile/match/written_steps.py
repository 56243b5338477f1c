"""Billing steps by which a carrier writes the lengths of a whole file, where they are not the agreed ones.

Calls of the same numbers that overlap are told apart by their lengths. If the file has full minutes and seconds are
agreed, a length must be compared with the full minute as well; otherwise a wrong call may fit better.
"""

from typing import Final

import numpy as np

from cdr_pipeline.core.reconcile.inputs.calls import Flags
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.rates import Integers, billed_seconds
from cdr_pipeline.core.reconcile.match.candidates import Edges
from cdr_pipeline.core.reconcile.match.lengths import length_gap

COMMON_STEPS: Final = (
    (1, 1), (6, 6), (10, 10), (12, 6), (15, 15), (18, 6), (20, 10), (30, 1), (30, 6), (30, 30), (60, 1), (60, 6),
    (60, 30), (60, 60), (120, 60), (180, 60),
)  # fmt: skip
_MILLISECONDS: Final = 1_000
_SAMPLE: Final = 20_000
_LEAST_CALLS: Final = 30
# Shares of the sample: lengths that the agreed steps do not explain, and lengths that the other steps explain.
_OTHER: Final = 0.1
_EXPLAINED: Final = 0.9


def written_steps(comparison: Comparison, edges: Edges) -> tuple[int, int] | None:
    """First and following increment of the lengths of the file in seconds; None if the agreed ones explain them.

    Args:
        comparison: the two sides.
        edges: candidates; those whose rows have no other candidate are the sample.
    """
    single_a = np.bincount(edges.switch, minlength=comparison.switch.count)[edges.switch] == 1
    single_b = np.bincount(edges.carrier, minlength=comparison.carrier.count)[edges.carrier] == 1
    certain = np.flatnonzero(single_a & single_b)
    certain = certain[:: -(-len(certain) // _SAMPLE) or 1]
    rows_a, rows_b = edges.switch[certain], edges.carrier[certain]
    rang = comparison.switch.billable[rows_a] & comparison.carrier.billable[rows_b]
    rows_a, rows_b = rows_a[rang], rows_b[rang]
    switch_ms, carrier_ms = comparison.switch.duration_ms[rows_a], comparison.carrier.duration_ms[rows_b]
    steps = comparison.tariff.steps(rows_a)
    within = length_gap(switch_ms, carrier_ms, *steps, comparison.rules.duration_tolerance_ms).within
    if len(within) < _LEAST_CALLS or (~within).mean() < _OTHER:
        return None
    explained = {steps: writes(switch_ms, carrier_ms, steps).mean() for steps in COMMON_STEPS}
    best = max(explained, key=explained.__getitem__)
    return best if explained[best] >= _EXPLAINED else None


def writes(switch_ms: Integers, carrier_ms: Integers, steps: tuple[int, int]) -> Flags:
    """Whether billing steps turn the switch's lengths, or those of a second more or less, into the carrier's."""
    return np.logical_or.reduce(
        [
            billed_seconds(np.maximum(switch_ms + off, 1), *steps) * _MILLISECONDS == carrier_ms
            for off in (0, -_MILLISECONDS, _MILLISECONDS)
        ]
    )
