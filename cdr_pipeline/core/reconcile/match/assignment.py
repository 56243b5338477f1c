"""The best one-to-one pairing: the set of pairs with the greatest sum of weights in which no row occurs twice.

A pair whose weight exceeds the sum of the best alternatives of both its rows is in every best pairing. Such pairs are
taken and the other candidates of their rows dropped, which makes further pairs certain. Small components of similar
calls remain after some rounds; ``conflict_components`` solves them exactly.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from cdr_pipeline.core.reconcile.inputs.calls import Flags, Rows
from cdr_pipeline.core.reconcile.match.conflict_components import AMBIGUOUS, ConflictComponents, solve_components


@dataclass(frozen=True, slots=True)
class Pairing:
    """A pairing.

    Attributes:
        switch: rows of the switch.
        carrier: their partners.
        ambiguous: whether a pairing that is as good, within ``AMBIGUOUS``, does not contain the pair, or the pair is
            doubtful.
    """

    switch: Rows
    carrier: Rows
    ambiguous: Flags


def assign(
    switch: Rows,
    carrier: Rows,
    weight: npt.NDArray[np.int32],
    order_a: npt.NDArray[np.int64],
    order_b: npt.NDArray[np.int64],
    *,
    doubtful: int = 0,
) -> Pairing:
    """The pairing of greatest weight. Candidates with a weight of 0 or less are ignored.

    Args:
        switch: row of the switch, one per candidate.
        carrier: row of the carrier, one per candidate.
        weight: weight of the candidate, thousandths of a nat.
        order_a: time of every row of the switch; with the row number it breaks ties.
        order_b: time of every row of the carrier.
        doubtful: pairs of less weight are ambiguous, with or without an alternative.
    """
    positive = weight > 0
    if not positive.all():
        switch, carrier, weight = switch[positive], carrier[positive], weight[positive]
    certain: list[tuple[Rows, Rows, Flags]] = []
    degree_a = np.bincount(switch, minlength=len(order_a))
    degree_b = np.bincount(carrier, minlength=len(order_b))
    only_candidate = (degree_a[switch] == 1) & (degree_b[carrier] == 1)
    certain.append((switch[only_candidate], carrier[only_candidate], weight[only_candidate] < doubtful))
    switch, carrier, weight = switch[~only_candidate], carrier[~only_candidate], weight[~only_candidate]
    while len(switch):
        dominant = _dominant(switch, carrier, weight)
        if not dominant.any():
            break
        certain.append((switch[dominant], carrier[dominant], weight[dominant] < doubtful))
        free = ~(
            _uses_taken_row(switch, switch[dominant], len(order_a))
            | _uses_taken_row(carrier, carrier[dominant], len(order_b))
        )
        switch, carrier, weight = switch[free], carrier[free], weight[free]
    parts = [Pairing(*pairs) for pairs in certain]
    if len(switch):
        parts.append(_assigned_components(switch, carrier, weight, order_a, order_b, doubtful=doubtful))
    return Pairing(
        np.concatenate([part.switch for part in parts]),
        np.concatenate([part.carrier for part in parts]),
        np.concatenate([part.ambiguous for part in parts]),
    )


def _uses_taken_row(rows: Rows, taken: Rows, size: int) -> Flags:
    is_taken = np.zeros(size, np.bool_)
    is_taken[taken] = True
    return is_taken[rows]


def _dominant(switch: Rows, carrier: Rows, weight: npt.NDArray[np.int32]) -> Flags:
    """Pairs that outweigh the best alternatives of their two rows together by at least ``AMBIGUOUS``."""
    rival = _alternative(switch, weight) + _alternative(carrier, weight)
    return (rival == 0) | (weight >= rival + AMBIGUOUS)


def _alternative(rows: Rows, weight: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Greatest weight among the other candidates of each candidate's row, 0 without any."""
    order = np.lexsort((-weight, rows))
    ordered, ordered_weight = rows[order], weight[order]
    start = np.ones(len(rows), np.bool_)
    start[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(start)
    has_second = np.append(~start[1:], [False])
    second = np.where(has_second[starts], ordered_weight[np.minimum(starts + 1, len(rows) - 1)], 0)
    sizes = np.diff(np.append(starts, len(rows)))
    other = np.repeat(ordered_weight[starts], sizes)
    other[starts] = second
    alternative = np.empty_like(weight)
    alternative[order] = other
    return alternative


def _assigned_components(
    switch: Rows,
    carrier: Rows,
    weight: npt.NDArray[np.int32],
    order_a: npt.NDArray[np.int64],
    order_b: npt.NDArray[np.int64],
    *,
    doubtful: int,
) -> Pairing:
    """Solves the remaining candidates component by component; rows are numbered by time."""
    rows_a, local_a = np.unique(switch, return_inverse=True)
    rows_b, local_b = np.unique(carrier, return_inverse=True)
    # Numbered by time, so that among equal calls the k-th is paired with the k-th.
    rank_a, rank_b = _ranks(rows_a, order_a), _ranks(rows_b, order_b)
    size = len(rows_a) + len(rows_b)
    graph = scipy.sparse.coo_array(
        (np.ones(len(switch), np.int8), (local_a, local_b + len(rows_a))), shape=(size, size)
    )
    _, label = scipy.sparse.csgraph.connected_components(graph, directed=False)
    components = ConflictComponents(rank_a[local_a], rank_b[local_b], weight, label[local_a])
    taken, ambiguous = solve_components(components)
    return Pairing(switch[taken], carrier[taken], ambiguous | (weight[taken] < doubtful))


def _ranks(rows: npt.NDArray[np.int32], order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    rank = np.empty(len(rows), np.int64)
    rank[np.lexsort((rows, order[rows]))] = np.arange(len(rows))
    return rank
