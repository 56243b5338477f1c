"""Cost model of the matcher: weight of a pair = cut - cost, in thousandths of a nat.

The cost is the negative logarithm of how likely the differences of a pair are in one call. Costs of independent
differences add up. The constants are in ``Weights``; the documentation page "How reconciliation matches calls" explains
them.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.rates import Integers
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.tariff import Steps
from cdr_pipeline.core.reconcile.match.candidates import Edges
from cdr_pipeline.core.reconcile.match.lengths import length_gap

Weighted = npt.NDArray[np.int32]
_SECOND_MS: Final = 1_000
_HALF: Final = 500
_NAT: Final = 1_000
# Ratios of lengths beyond this many doublings cost the same.
_DOUBLINGS: Final = 1.5


def pair_weights(comparison: Comparison, edges: Edges) -> Weighted:
    """Weight of every candidate, cut minus cost, in thousandths of a nat; 0 or less if two unpaired rows are better.

    Weights are integers, so that every machine finds the same best assignment.

    Args:
        comparison: the two sides; the spread of their clocks is the scale of time differences.
        edges: the candidates.
    """
    switch, carrier, rules = comparison.switch, comparison.carrier, comparison.rules
    weights = rules.weights
    cost = time_cost(comparison, edges)
    lengths = switch.duration_ms[edges.switch], carrier.duration_ms[edges.carrier]
    of_lengths = _length_cost(*lengths, comparison.tariff.steps(edges.switch), rules)
    if comparison.written_steps:
        of_lengths = np.minimum(of_lengths, _length_cost(*lengths, comparison.written_steps, rules))
    cost += of_lengths
    cost += withheld_cost(comparison, edges)
    if rules.compare_amounts and rules.rate_card is None:
        both_priced = switch.priced[edges.switch] & carrier.priced[edges.carrier]
        cost[both_priced & (switch.amount[edges.switch] != carrier.amount[edges.carrier])] += weights.other_amount
    return (weights.cut - np.rint(cost)).astype(np.int32)


def time_cost(comparison: Comparison, edges: Edges) -> npt.NDArray[np.float64]:
    """Half the squared deviation (of a normal distribution), limited by a tail that rises with the time difference."""
    clock, rules = comparison.clock, comparison.rules
    time_difference = np.abs(comparison.carrier_start[edges.carrier] - comparison.switch.start_ms[edges.switch])
    unusual = np.maximum(time_difference - clock.slack_ms, 0)
    gaussian = _HALF * (unusual / clock.deviation_ms) ** 2
    reach = np.minimum(unusual / rules.window_ms, 1.0)
    beyond = np.maximum(unusual - rules.window_ms, 0) / rules.fallback_window_ms
    return np.minimum(gaussian, rules.weights.tail + rules.weights.far * reach + rules.weights.late * beyond)


def withheld_cost(comparison: Comparison, edges: Edges) -> npt.NDArray[np.float64]:
    """Cost of an unknown caller; grows with the logarithm of the number of candidates of the row."""
    withheld_a, withheld_b = comparison.switch.withheld[edges.switch], comparison.carrier.withheld[edges.carrier]
    withheld = np.flatnonzero(withheld_a | withheld_b)
    cost = np.zeros(len(edges.switch))
    if len(withheld):
        of_a = np.bincount(edges.switch[withheld], minlength=comparison.switch.count)[edges.switch[withheld]]
        of_b = np.bincount(edges.carrier[withheld], minlength=comparison.carrier.count)[edges.carrier[withheld]]
        candidate_count = np.maximum(np.where(withheld_a[withheld], of_a, 1), np.where(withheld_b[withheld], of_b, 1))
        cost[withheld] = comparison.rules.weights.withheld + _NAT * np.log(candidate_count)
    return cost


def _length_cost(switch_ms: Integers, carrier_ms: Integers, steps: Steps, rules: Rules) -> npt.NDArray[np.float64]:
    """Cost of a difference of length: per second within tolerance, by its ratio beyond."""
    weights = rules.weights
    gap = length_gap(switch_ms, carrier_ms, *steps, rules.duration_tolerance_ms)
    difference = np.minimum(np.abs(gap.difference_ms), rules.duration_tolerance_ms)
    cost = np.where(gap.exact, 0.0, weights.off_by_second * (difference / _SECOND_MS))
    outside = np.flatnonzero(~gap.within)
    if len(outside):
        ratio = np.log2((carrier_ms[outside] + _SECOND_MS) / (switch_ms[outside] + _SECOND_MS))
        cost[outside] = weights.other_length + weights.very_other_length * np.minimum(np.abs(ratio), _DOUBLINGS)
    return cost
