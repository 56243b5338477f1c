"""Connected components of conflicting candidates, each solved for the greatest sum of weights.

Stars (one row with several candidates) and squares (two calls and two records) are solved vectorized. Larger components
are solved one by one: by the Hungarian method, or, if very large, by a sparse solver with a dummy partner per row.
Components above ``LARGEST`` rows are cut along time first, so that no busy number makes the run time explode.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import numpy.typing as npt

# Its subpackages are imported when they are first used; most commands never match calls.
import scipy

from cdr_pipeline.core.reconcile.inputs.calls import Flags

Indexes = npt.NDArray[np.int64]
Weights = npt.NDArray[np.int32]

# Pairings that differ by less than this (in thousandths of a nat) are equally likely.
AMBIGUOUS: Final = 50
_DENSE_CELLS: Final = 250_000
# Up to this many cells every pair's alternative is computed exactly, above it only for exchanges of two pairs.
_EXACT_CELLS: Final = 256
# Largest number of rows of one side that are solved together.
LARGEST: Final = 4_000
# With ranks up to 2^9 the tie-break of a dense component stays below one unit of weight, and sums are exact doubles.
_TIE_ROWS: Final = 500
_TIE_SCALE: Final = 2**27


@dataclass(frozen=True, slots=True)
class ConflictComponents:
    """Candidates with the component they belong to, one value per candidate.

    Attributes:
        switch: rank of the switch's row by time, over all components.
        carrier: rank of the carrier's row by time, over all components.
        weight: weight of the candidate, thousandths of a nat; above 0.
        label: number of the component.
    """

    switch: Indexes
    carrier: Indexes
    weight: Weights
    label: npt.NDArray[np.int32]


def solve_components(components: ConflictComponents) -> tuple[Indexes, Flags]:
    """Indexes of the candidates that are taken, and whether each is ambiguous."""
    order = np.lexsort((components.carrier, components.switch, components.label))
    label = components.label[order]
    starts = np.flatnonzero(np.r_[True, label[1:] != label[:-1]])
    ends = np.r_[starts[1:], len(label)]
    rows_a = _distinct(components.label, components.switch, len(starts))
    rows_b = _distinct(components.label, components.carrier, len(starts))
    star = (rows_a == 1) | (rows_b == 1)
    square = (rows_a == 2) & (rows_b == 2)  # noqa: PLR2004 - two calls, two records
    taken, ambiguous = [], []
    for solved in (
        _stars(components.weight, order, starts[star], ends[star]),
        _squares(components, order, starts[square], ends[square]),
        *(_solve_component(components, order[start:end]) for start, end in _spans(starts, ends, ~(star | square))),
    ):
        taken.append(solved[0])
        ambiguous.append(solved[1])
    return np.concatenate(taken), np.concatenate(ambiguous)


def _spans(starts: Indexes, ends: Indexes, selected: Flags) -> Iterator[tuple[int, int]]:
    return zip(starts[selected].tolist(), ends[selected].tolist(), strict=True)


def _distinct(label: npt.NDArray[np.int32], row: Indexes, count: int) -> Indexes:
    """Number of distinct rows of each component; a row is in one component only."""
    _, first = np.unique(row, return_index=True)
    return np.bincount(label[first], minlength=count)


def _stars(weight: Weights, order: Indexes, starts: Indexes, ends: Indexes) -> tuple[Indexes, Flags]:
    """The heaviest candidate of each star, the earliest of equal ones."""
    if not len(starts):
        return order[:0], np.zeros(0, np.bool_)
    sizes = ends - starts
    spread = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
    candidates = order[spread]
    star = np.repeat(np.arange(len(starts)), sizes)
    by_weight = np.lexsort((np.arange(len(star)), -weight[candidates], star))
    first = np.cumsum(sizes) - sizes
    best = candidates[by_weight[first]]
    second = candidates[by_weight[first + 1]]
    return best, weight[best] - weight[second] < AMBIGUOUS


def _squares(components: ConflictComponents, order: Indexes, starts: Indexes, ends: Indexes) -> tuple[Indexes, Flags]:
    """Both straight pairs or both crossed pairs of each square; straight if both weigh the same."""
    slots = starts[:, None] + np.arange(4)
    inside = slots < ends[:, None]
    indexes = order[np.minimum(slots, len(order) - 1)]
    later = [
        (rows != np.where(inside, rows, np.iinfo(np.int64).max).min(axis=1, initial=np.iinfo(np.int64).max)[:, None])
        for rows in (components.switch[indexes], components.carrier[indexes])
    ]
    table = np.full((len(starts), 2, 2), -1, np.int64)
    component, slot = np.nonzero(inside)
    table[component, later[0][component, slot].astype(np.int64), later[1][component, slot].astype(np.int64)] = indexes[
        component, slot
    ]
    weight = np.where(table >= 0, components.weight[table], 0).astype(np.int64)
    straight = weight[:, 0, 0] + weight[:, 1, 1]
    crossed = weight[:, 0, 1] + weight[:, 1, 0]
    is_straight = straight >= crossed
    chosen = np.where(
        is_straight[:, None],
        np.stack([table[:, 0, 0], table[:, 1, 1]], axis=1),
        np.stack([table[:, 0, 1], table[:, 1, 0]], axis=1),
    )
    ambiguous = np.repeat(np.abs(straight - crossed) < AMBIGUOUS, 2)
    flat = chosen.ravel()
    return flat[flat >= 0], ambiguous[flat >= 0]


def _solve_component(components: ConflictComponents, indexes: Indexes) -> tuple[Indexes, Flags]:
    rows_a, local_a = np.unique(components.switch[indexes], return_inverse=True)
    rows_b, local_b = np.unique(components.carrier[indexes], return_inverse=True)
    weight = components.weight[indexes]
    shape = (len(rows_a), len(rows_b))
    if shape[0] * shape[1] <= _DENSE_CELLS:
        taken, ambiguous = _dense(local_a, local_b, weight, shape)
    elif max(shape) <= LARGEST:
        taken = _sparse(local_a, local_b, weight, shape)
        ambiguous = np.zeros(len(taken), np.bool_)
    else:
        taken = _in_slices(local_a, local_b, weight)
        ambiguous = np.zeros(len(taken), np.bool_)
    return indexes[taken], ambiguous


def _dense(local_a: Indexes, local_b: Indexes, weight: Weights, shape: tuple[int, int]) -> tuple[Indexes, Flags]:
    """Hungarian method. A cell without a candidate weighs 0, as do two rows without partner."""
    value = np.zeros(shape)
    value[local_a, local_b] = weight
    index = np.full(shape, -1, np.int64)
    index[local_a, local_b] = np.arange(len(weight))
    scaled = value
    if max(shape) <= _TIE_ROWS:
        # Prefers early rows, and the k-th with the k-th: this maximizes the sum of products of ranks.
        early_a = np.arange(shape[0], 0, -1)[:, None]
        early_b = np.arange(shape[1], 0, -1)[None, :]
        scaled = np.where(index >= 0, value * _TIE_SCALE + early_a * early_b, 0.0)
    chosen_a, chosen_b = scipy.optimize.linear_sum_assignment(scaled, maximize=True)
    is_candidate = index[chosen_a, chosen_b] >= 0
    chosen_a, chosen_b = chosen_a[is_candidate], chosen_b[is_candidate]
    return index[chosen_a, chosen_b], _ambiguous(value, chosen_a, chosen_b)


def _ambiguous(value: npt.NDArray[np.float64], chosen_a: Indexes, chosen_b: Indexes) -> Flags:
    """Whether the best pairing without a pair is worse by less than ``AMBIGUOUS``, pair by pair."""
    best = float(value[chosen_a, chosen_b].sum())
    if value.size <= _EXACT_CELLS:
        flags = np.zeros(len(chosen_a), np.bool_)
        for number, (row, column) in enumerate(zip(chosen_a, chosen_b, strict=True)):
            cell = value[row, column]
            value[row, column] = 0
            assignment = scipy.optimize.linear_sum_assignment(value, maximize=True)
            flags[number] = best - float(value[assignment].sum()) < AMBIGUOUS
            value[row, column] = cell
        return flags
    pair = value[chosen_a, chosen_b]
    crossed = value[np.ix_(chosen_a, chosen_b)]
    swap = pair[:, None] + pair[None, :] - crossed - crossed.T
    np.fill_diagonal(swap, np.inf)
    free_a, free_b = np.ones(value.shape[0], np.bool_), np.ones(value.shape[1], np.bool_)
    free_a[chosen_a] = False
    free_b[chosen_b] = False
    other = np.maximum(
        value[free_a][:, chosen_b].max(axis=0, initial=0), value[chosen_a][:, free_b].max(axis=1, initial=0)
    )
    return (swap.min(axis=1) < AMBIGUOUS) | (pair - other < AMBIGUOUS)


def _sparse(local_a: Indexes, local_b: Indexes, weight: Weights, shape: tuple[int, int]) -> Indexes:
    """Jonker-Volgenant on the candidates; every row of the switch may take its own dummy instead, at weight 0."""
    ceiling = int(weight.max()) + 1
    costs = scipy.sparse.csr_array(((ceiling - weight).astype(np.float64), (local_a, local_b)), shape=shape)
    dummies = scipy.sparse.csr_array(
        (np.full(shape[0], float(ceiling)), (np.arange(shape[0]),) * 2), shape=(shape[0],) * 2
    )
    chosen_a, chosen_b = scipy.sparse.csgraph.min_weight_full_bipartite_matching(
        scipy.sparse.csr_array(scipy.sparse.hstack([costs, dummies]))
    )
    partner = np.full(shape[0], -1, np.int64)
    partner[chosen_a] = chosen_b
    return cast("Indexes", np.flatnonzero(partner[local_a] == local_b))


def _in_slices(local_a: Indexes, local_b: Indexes, weight: Weights) -> Indexes:
    """Solves a component above ``LARGEST`` by slices of time, then the rows left unpaired at the cuts."""
    span = LARGEST // 2
    slice_a = local_a // span
    # A record belongs to the slice of its heaviest candidate, so that cuts separate as few true pairs as possible.
    by_record = np.lexsort((local_a, -weight, local_b))
    heaviest = by_record[np.flatnonzero(np.r_[True, local_b[by_record][1:] != local_b[by_record][:-1]])]
    slice_of_b = np.empty(int(local_b.max()) + 1, np.int64)
    slice_of_b[local_b[heaviest]] = slice_a[heaviest]
    slice_b = slice_of_b[local_b]
    taken = [
        _slice(local_a, local_b, weight, np.flatnonzero((slice_a == number) & (slice_b == number)))
        for number in range(int(slice_a.max()) + 1)
    ]
    assigned = np.concatenate(taken)
    free_a = ~np.isin(local_a, local_a[assigned])
    free_b = ~np.isin(local_b, local_b[assigned])
    remaining = np.flatnonzero(free_a & free_b)
    for start in range(0, len(remaining), span):
        used_a, used_b = local_a[np.concatenate(taken)], local_b[np.concatenate(taken)]
        part = remaining[start : start + span]
        part = part[~np.isin(local_a[part], used_a) & ~np.isin(local_b[part], used_b)]
        taken.append(_slice(local_a, local_b, weight, part))
    return np.concatenate(taken)


def _slice(local_a: Indexes, local_b: Indexes, weight: Weights, part: Indexes) -> Indexes:
    if not len(part):
        return part
    rows_a, a = np.unique(local_a[part], return_inverse=True)
    rows_b, b = np.unique(local_b[part], return_inverse=True)
    return part[_sparse(a, b, weight[part], (len(rows_a), len(rows_b)))]
