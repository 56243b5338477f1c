"""What speaks against a pair, as a whole number: what is left of the cut is the pair's weight."""

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
# Beyond this, one length is so different from the other that more makes no difference.
_DOUBLINGS: Final = 1.5


def pair_weights(it: Comparison, edges: Edges) -> Weighted:
    """Cut less cost of every candidate, in thousandths of a nat; 0 or less where two rows alone are better.

    Whole numbers make the best assignment the same on every machine.

    Args:
        it: the two sides; the spread of their clocks decides which times are usual.
        edges: the candidates.
    """
    switch, carrier, rules = it.switch, it.carrier, it.rules
    weights = rules.weights
    cost = time_cost(it, edges)
    lengths = switch.duration_ms[edges.switch], carrier.duration_ms[edges.carrier]
    cost += _of_lengths(*lengths, it.tariff.steps(edges.switch), rules)
    cost += withheld_cost(it, edges)
    if rules.compare_amounts and rules.rate_card is None:
        known = switch.priced[edges.switch] & carrier.priced[edges.carrier]
        cost[known & (switch.amount[edges.switch] != carrier.amount[edges.carrier])] += weights.other_amount
    return (weights.cut - np.rint(cost)).astype(np.int32)


def time_cost(it: Comparison, edges: Edges) -> npt.NDArray[np.float64]:
    """Half the squared deviation near the usual difference, a tail beyond it that rises to the edge of the window."""
    clock, rules = it.clock, it.rules
    apart = np.abs(it.carrier_start[edges.carrier] - it.switch.start_ms[edges.switch])
    unusual = np.maximum(apart - clock.slack_ms, 0)
    core = _HALF * (unusual / clock.deviation_ms) ** 2
    reach = np.minimum(unusual / rules.window_ms, 1.0)
    beyond = np.maximum(unusual - rules.window_ms, 0) / rules.fallback_window_ms
    return np.minimum(core, rules.weights.tail + rules.weights.far * reach + rules.weights.late * beyond)


def withheld_cost(it: Comparison, edges: Edges) -> npt.NDArray[np.float64]:
    """More, the more rows a row without caller could belong to: what tells them apart then has to be stronger."""
    hidden_a, hidden_b = it.switch.withheld[edges.switch], it.carrier.withheld[edges.carrier]
    hidden = np.flatnonzero(hidden_a | hidden_b)
    cost = np.zeros(len(edges.switch))
    if len(hidden):
        of_a = np.bincount(edges.switch[hidden], minlength=it.switch.count)[edges.switch[hidden]]
        of_b = np.bincount(edges.carrier[hidden], minlength=it.carrier.count)[edges.carrier[hidden]]
        choices = np.maximum(np.where(hidden_a[hidden], of_a, 1), np.where(hidden_b[hidden], of_b, 1))
        cost[hidden] = it.rules.weights.withheld + _NAT * np.log(choices)
    return cost


def _of_lengths(switch_ms: Integers, carrier_ms: Integers, steps: Steps, rules: Rules) -> npt.NDArray[np.float64]:
    weights = rules.weights
    gap = length_gap(switch_ms, carrier_ms, *steps, rules.duration_tolerance_ms)
    off = np.minimum(np.abs(gap.difference_ms), rules.duration_tolerance_ms)
    cost = np.where(gap.exact, 0.0, weights.off_by_second * (off / _SECOND_MS))
    other = np.flatnonzero(~gap.within)
    if len(other):
        ratio = np.log2((carrier_ms[other] + _SECOND_MS) / (switch_ms[other] + _SECOND_MS))
        cost[other] = weights.other_length + weights.very_other_length * np.minimum(np.abs(ratio), _DOUBLINGS)
    return cost
