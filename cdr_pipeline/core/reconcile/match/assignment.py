"""The best one-to-one pairing: no other set of pairs without a row in two has a greater sum of weights.

Most candidates decide themselves. A pair whose weight exceeds the sum of the best alternatives of both its rows is in
every best pairing, so it is taken, its rows' other candidates go, and the next pairs become certain. What is left
after some rounds are small knots of calls that are alike; those are solved exactly (``knots``).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cdr_pipeline.core.reconcile.inputs.calls import Flags, Rows
from cdr_pipeline.core.reconcile.match.conflict_components import AMBIGUOUS, ConflictComponents, solve_components


@dataclass(frozen=True, slots=True)
class Paired:
    """A pairing.

    Attributes:
        switch: rows of the switch.
        carrier: their partners.
        ambiguous: another best pairing, or one worse by next to nothing, pairs them otherwise.
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
) -> Paired:
    """The pairing of greatest weight. Candidates that weigh 0 or less are no candidates.

    Args:
        switch: row of the switch of each candidate.
        carrier: row of the carrier.
        weight: of the pair.
        order_a: time of every row of the switch; with the row's number it decides between equals.
        order_b: the same of the carrier.
    """
    heavy = weight > 0
    if not heavy.all():
        switch, carrier, weight = switch[heavy], carrier[heavy], weight[heavy]
    certain: list[tuple[Rows, Rows]] = []
    degree_a = np.bincount(switch, minlength=len(order_a))
    degree_b = np.bincount(carrier, minlength=len(order_b))
    alone = (degree_a[switch] == 1) & (degree_b[carrier] == 1)
    certain.append((switch[alone], carrier[alone]))
    switch, carrier, weight = switch[~alone], carrier[~alone], weight[~alone]
    while len(switch):
        sure = _dominant(switch, carrier, weight)
        if not sure.any():
            break
        certain.append((switch[sure], carrier[sure]))
        open_ = ~(_touched(switch, switch[sure], len(order_a)) | _touched(carrier, carrier[sure], len(order_b)))
        switch, carrier, weight = switch[open_], carrier[open_], weight[open_]
    parts = [Paired(one, other, np.zeros(len(one), np.bool_)) for one, other in certain]
    if len(switch):
        parts.append(_knotted(switch, carrier, weight, order_a, order_b))
    return Paired(
        np.concatenate([part.switch for part in parts]),
        np.concatenate([part.carrier for part in parts]),
        np.concatenate([part.ambiguous for part in parts]),
    )


def _touched(rows: Rows, taken: Rows, size: int) -> Flags:
    gone = np.zeros(size, np.bool_)
    gone[taken] = True
    return gone[rows]


def _dominant(switch: Rows, carrier: Rows, weight: npt.NDArray[np.int32]) -> Flags:
    """Pairs that weigh more, by more than a trifle, than the best alternatives of their two rows together."""
    rival = _alternative(switch, weight) + _alternative(carrier, weight)
    return (rival == 0) | (weight >= rival + AMBIGUOUS)


def _alternative(rows: Rows, weight: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Greatest weight among the row's other candidates, 0 without any."""
    order = np.lexsort((-weight, rows))
    ordered, heavy = rows[order], weight[order]
    start = np.ones(len(rows), np.bool_)
    start[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(start)
    has_second = np.append(~start[1:], [False])
    second = np.where(has_second[starts], heavy[np.minimum(starts + 1, len(rows) - 1)], 0)
    sizes = np.diff(np.append(starts, len(rows)))
    other = np.repeat(heavy[starts], sizes)
    other[starts] = second
    found = np.empty_like(weight)
    found[order] = other
    return found


def _knotted(
    switch: Rows,
    carrier: Rows,
    weight: npt.NDArray[np.int32],
    order_a: npt.NDArray[np.int64],
    order_b: npt.NDArray[np.int64],
) -> Paired:
    """The candidates that are left, knot by knot; rows numbered by time within each."""
    rows_a, local_a = np.unique(switch, return_inverse=True)
    rows_b, local_b = np.unique(carrier, return_inverse=True)
    # Numbered by time, so that the k-th of equal calls finds the k-th.
    rank_a, rank_b = _ranks(rows_a, order_a), _ranks(rows_b, order_b)
    size = len(rows_a) + len(rows_b)
    graph = coo_array((np.ones(len(switch), np.int8), (local_a, local_b + len(rows_a))), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    knots = ConflictComponents(rank_a[local_a], rank_b[local_b], weight, label[local_a])
    taken, ambiguous = solve_components(knots)
    return Paired(switch[taken], carrier[taken], ambiguous)


def _ranks(rows: npt.NDArray[np.int32], order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    rank = np.empty(len(rows), np.int64)
    rank[np.lexsort((rows, order[rows]))] = np.arange(len(rows))
    return rank
