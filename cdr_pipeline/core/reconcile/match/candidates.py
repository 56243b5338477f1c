"""Candidate pairs: equal numbers and near in time. Found by one sort and two searches, without a loop over blocks."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr_pipeline.core.reconcile.inputs.calls import Flags, Hashes, Rows, combine_hashes
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.rates import Integers
from cdr_pipeline.core.reconcile.inputs.row_order import stable_order

_SIGN_FREE_BITS: Final = 63
# Number of nearest rows before and after a time that are examined; busy numbers have more within the window.
_HALF: Final = 64


@dataclass(frozen=True, slots=True)
class Edges:
    """Candidate pairs: row indexes of the two sides, one element per pair.

    Attributes:
        switch: rows of the switch.
        carrier: rows of the carrier.
        narrowed: number of rows with more candidates than were examined.
    """

    switch: Rows
    carrier: Rows
    narrowed: int = 0


def candidates(
    comparison: Comparison, window_ms: int, free_a: Flags, free_b: Flags, *, with_caller: bool = True
) -> Edges:
    """Pairs with equal numbers, or with an equal called number if a caller is withheld.

    Args:
        comparison: the two sides.
        window_ms: largest time difference, milliseconds.
        free_a: rows of the switch that may be paired.
        free_b: rows of the carrier that may be paired.
        with_caller: whether shown callers must be equal.
    """
    dialled_a, dialled_b = free_a & (comparison.switch.dialled != 0), free_b & (comparison.carrier.dialled != 0)
    if not with_caller:
        return _joined(comparison, window_ms, dialled_a, dialled_b, with_caller=False)
    shown_a, shown_b = dialled_a & ~comparison.switch.withheld, dialled_b & ~comparison.carrier.withheld
    hidden_a, hidden_b = dialled_a & comparison.switch.withheld, dialled_b & comparison.carrier.withheld
    parts = [_joined(comparison, window_ms, shown_a, shown_b, with_caller=True)]
    if hidden_a.any():
        parts.append(_joined(comparison, window_ms, hidden_a, dialled_b, with_caller=False))
    if hidden_b.any():
        parts.append(_joined(comparison, window_ms, shown_a, hidden_b, with_caller=False))
    if len(parts) == 1:
        return parts[0]
    return Edges(
        np.concatenate([edges.switch for edges in parts]),
        np.concatenate([edges.carrier for edges in parts]),
        sum(edges.narrowed for edges in parts),
    )


def _joined(comparison: Comparison, window_ms: int, usable_a: Flags, usable_b: Flags, *, with_caller: bool) -> Edges:
    switch, carrier = comparison.switch, comparison.carrier
    rows_a, rows_b = np.flatnonzero(usable_a).astype(np.int32), np.flatnonzero(usable_b).astype(np.int32)
    if not (len(rows_a) and len(rows_b)):
        return Edges(rows_a[:0], rows_b[:0])
    blocks = [
        combine_hashes(calls.dialled[rows], calls.caller[rows]) if with_caller else calls.dialled[rows]
        for calls, rows in ((switch, rows_a), (carrier, rows_b))
    ]
    keys_a, keys_b = _keys(
        (blocks[0], switch.start_ms[rows_a]), (blocks[1], comparison.carrier_start[rows_b]), window_ms
    )
    del blocks
    near_a, near_b, narrowed = _near(keys_a, keys_b, window_ms)
    rows_a, rows_b = rows_a[near_a], rows_b[near_b]
    is_confirmed = switch.dialled_check[rows_a] == carrier.dialled_check[rows_b]
    if with_caller:
        is_confirmed &= switch.caller_check[rows_a] == carrier.caller_check[rows_b]
    return Edges(rows_a[is_confirmed], rows_b[is_confirmed], narrowed)


def _keys(a: tuple[Hashes, Integers], b: tuple[Hashes, Integers], window_ms: int) -> tuple[Hashes, Hashes]:
    """Block and time in one number: the upper bits of the hash above the time, with a margin of one window."""
    least = min(int(a[1].min()), int(b[1].min())) - window_ms
    most = max(int(a[1].max()), int(b[1].max())) + window_ms
    bits = np.uint64((most - least).bit_length())
    cut = np.uint64(64 - _SIGN_FREE_BITS) + bits
    keys = [((block >> cut) << bits) | (time - least).astype(np.uint64) for block, time in (a, b)]
    return keys[0], keys[1]


def _near(keys_a: Hashes, keys_b: Hashes, window_ms: int) -> tuple[Rows, Rows, int]:
    """Index pairs whose keys differ by at most the window; for crowded keys only the nearest by rank."""
    order_a, order_b = stable_order(keys_a), stable_order(keys_b)
    sorted_a, sorted_b = keys_a[order_a], keys_b[order_b]
    window = np.uint64(window_ms)
    low = np.searchsorted(sorted_b, sorted_a - window).astype(np.int32)
    high = np.searchsorted(sorted_b, sorted_a + window, "right").astype(np.int32)
    crowded = high - low > 2 * _HALF
    narrowed = int(crowded.sum())
    if narrowed:
        rank = _ranks_among(sorted_a, sorted_b)[crowded]
        low[crowded] = np.maximum(low[crowded], rank - _HALF)
        high[crowded] = np.minimum(high[crowded], rank + _HALF)
    counts = high - low
    index_a = np.repeat(np.arange(len(low), dtype=np.int32), counts)
    shift = low - (np.cumsum(counts, dtype=np.int64) - counts)
    index_b = (np.arange(len(index_a)) + np.repeat(shift, counts)).astype(np.int32)
    if narrowed or (len(index_b) and np.bincount(index_b).max() > 2 * _HALF):
        # The same bound for the other side, so that swapping the sides returns the same pairs.
        first, last = (
            np.searchsorted(sorted_a, sorted_b - window),
            np.searchsorted(sorted_a, sorted_b + window, "right"),
        )
        crowded_b = last - first > 2 * _HALF
        middle = _ranks_among(sorted_b, sorted_a)[index_b]
        in_reach = ~crowded_b[index_b] | ((index_a >= middle - _HALF) & (index_a < middle + _HALF))
        index_a, index_b = index_a[in_reach], index_b[in_reach]
        narrowed += int(crowded_b.sum())
    return order_a[index_a].astype(np.int32), order_b[index_b].astype(np.int32), narrowed


def _ranks_among(keys: Hashes, among: Hashes) -> Rows:
    """Rank of each key among others, both sorted; the k-th of equal keys has the rank of the k-th equal one there."""
    first = np.searchsorted(among, keys)
    nth = np.arange(len(keys)) - np.searchsorted(keys, keys)
    return np.minimum(first + nth, np.searchsorted(among, keys, "right")).astype(np.int32)
