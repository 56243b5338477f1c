"""Rows that may be one call: equal numbers, near in time. One sort and two searches, no loop over blocks."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr_pipeline.core.reconcile.inputs.calls import Flags, Hashes, Rows
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.rates import Integers

_SIGN_FREE_BITS: Final = 63
# Nearest rows on either side of a time that are looked at; a hot number has more within the window.
_HALF: Final = 64


@dataclass(frozen=True, slots=True)
class Edges:
    """Candidate pairs: places in the two sides, one a pair.

    Attributes:
        switch: rows of the switch.
        carrier: rows of the carrier.
        narrowed: rows that had more candidates than were looked at.
    """

    switch: Rows
    carrier: Rows
    narrowed: int = 0


def candidates(it: Comparison, window_ms: int, free_a: Flags, free_b: Flags) -> Edges:
    """Pairs with both numbers equal, or with the called number equal where a caller is withheld.

    Args:
        it: the two sides.
        window_ms: how far apart.
        free_a: rows of the switch that may be paired.
        free_b: rows of the carrier that may be paired.
    """
    known_a, known_b = free_a & (it.switch.dialled != 0), free_b & (it.carrier.dialled != 0)
    shown_a, shown_b = known_a & ~it.switch.withheld, known_b & ~it.carrier.withheld
    hidden_a, hidden_b = known_a & it.switch.withheld, known_b & it.carrier.withheld
    found = [_joined(it, window_ms, shown_a, shown_b, with_caller=True)]
    if hidden_a.any():
        found.append(_joined(it, window_ms, hidden_a, known_b, with_caller=False))
    if hidden_b.any():
        found.append(_joined(it, window_ms, shown_a, hidden_b, with_caller=False))
    if len(found) == 1:
        return found[0]
    return Edges(
        np.concatenate([edges.switch for edges in found]),
        np.concatenate([edges.carrier for edges in found]),
        sum(edges.narrowed for edges in found),
    )


def is_among(values: Hashes, few: Hashes) -> Flags:
    """Whether each value is one of few; sorts only those."""
    known = np.unique(few)
    if not len(known):
        return np.zeros(len(values), np.bool_)
    return known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values


def _joined(it: Comparison, window_ms: int, usable_a: Flags, usable_b: Flags, *, with_caller: bool) -> Edges:
    switch, carrier = it.switch, it.carrier
    rows_a, rows_b = np.flatnonzero(usable_a).astype(np.int32), np.flatnonzero(usable_b).astype(np.int32)
    if not (len(rows_a) and len(rows_b)):
        return Edges(rows_a[:0], rows_b[:0])
    blocks = [(calls.block() if with_caller else calls.dialled) for calls in (switch, carrier)]
    keys_a, keys_b = _keys(
        (blocks[0][rows_a], switch.start_ms[rows_a]), (blocks[1][rows_b], it.carrier_start[rows_b]), window_ms
    )
    del blocks
    near_a, near_b, narrowed = _near(keys_a, keys_b, window_ms)
    rows_a, rows_b = rows_a[near_a], rows_b[near_b]
    same = switch.dialled_check[rows_a] == carrier.dialled_check[rows_b]
    if with_caller:
        same &= switch.caller_check[rows_a] == carrier.caller_check[rows_b]
    return Edges(rows_a[same], rows_b[same], narrowed)


def _keys(a: tuple[Hashes, Integers], b: tuple[Hashes, Integers], window_ms: int) -> tuple[Hashes, Hashes]:
    """Block and time in one number: as much of the hash as fits above the time, a window free at both ends."""
    least = min(int(a[1].min()), int(b[1].min())) - window_ms
    most = max(int(a[1].max()), int(b[1].max())) + window_ms
    bits = np.uint64((most - least).bit_length())
    cut = np.uint64(64 - _SIGN_FREE_BITS) + bits
    keys = [((block >> cut) << bits) | (time - least).astype(np.uint64) for block, time in (a, b)]
    return keys[0], keys[1]


def _near(keys_a: Hashes, keys_b: Hashes, window_ms: int) -> tuple[Rows, Rows, int]:
    """Every pair of places whose keys differ by at most the window; of crowds, only the nearest by rank."""
    order_a, order_b = np.argsort(keys_a, kind="stable"), np.argsort(keys_b, kind="stable")
    sorted_a, sorted_b = keys_a[order_a], keys_b[order_b]
    window = np.uint64(window_ms)
    low = np.searchsorted(sorted_b, sorted_a - window).astype(np.int32)
    high = np.searchsorted(sorted_b, sorted_a + window, "right").astype(np.int32)
    crowded = high - low > 2 * _HALF
    narrowed = int(crowded.sum())
    if narrowed:
        place = _places(sorted_a, sorted_b)[crowded]
        low[crowded] = np.maximum(low[crowded], place - _HALF)
        high[crowded] = np.minimum(high[crowded], place + _HALF)
    counts = high - low
    place_a = np.repeat(np.arange(len(low), dtype=np.int32), counts)
    shift = low - (np.cumsum(counts, dtype=np.int64) - counts)
    place_b = (np.arange(len(place_a)) + np.repeat(shift, counts)).astype(np.int32)
    crowd = (
        np.searchsorted(sorted_a, sorted_b + window, "right") - np.searchsorted(sorted_a, sorted_b - window) > 2 * _HALF
    )
    if crowd.any():
        # The same bound from the other side, so that a swap of the sides gives the same pairs.
        middle = _places(sorted_b, sorted_a)[place_b]
        kept = ~crowd[place_b] | ((place_a >= middle - _HALF) & (place_a < middle + _HALF))
        place_a, place_b = place_a[kept], place_b[kept]
        narrowed += int(crowd.sum())
    return order_a[place_a].astype(np.int32), order_b[place_b].astype(np.int32), narrowed


def _places(keys: Hashes, among: Hashes) -> Rows:
    """Where each key belongs among others, both sorted; the k-th of equal keys beside the k-th of those."""
    first = np.searchsorted(among, keys)
    nth = np.arange(len(keys)) - np.searchsorted(keys, keys)
    return np.minimum(first + nth, np.searchsorted(among, keys, "right")).astype(np.int32)
