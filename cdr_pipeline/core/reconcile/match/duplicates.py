"""Duplicates: rows that repeat another row of their own side.

Equal rows are not removed before matching: if the other side has as many of them, they are separate calls (redials
within a minute are equal in a file of whole minutes). Equal rows that are still unpaired after matching are duplicates.
"""

from typing import Final

import numpy as np

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags, Hashes, combine_hashes
from cdr_pipeline.core.reconcile.inputs.row_order import stable_order

_ID_SEED: Final = 3


def twin_keys(calls: Calls) -> Hashes:
    """Keys that are equal for rows with equal numbers, start, length and amount; for the carrier also call id.

    A switch writes a leg twice under two call ids when it forks or retries a request. Two calls of one caller to one
    number that begin and end in the same millisecond do not occur, so such legs are one.
    """
    key = combine_hashes(calls.block(), calls.block_check())
    for values in (calls.start_ms, calls.duration_ms, calls.amount):
        key = combine_hashes(key, values.view(np.uint64))
    if calls.name == "switch":
        return key
    ids = calls.column("call_id")
    return key if ids.null_count() == len(ids) else combine_hashes(key, ids.hash(seed=_ID_SEED).to_numpy())


def later_twins(keys: Hashes) -> tuple[Flags, Flags]:
    """Rows with an equal row before them, and rows with an equal row anywhere."""
    order = stable_order(keys)
    ordered = keys[order]
    equals_previous = ordered[1:] == ordered[:-1]
    later = np.zeros(len(keys), np.bool_)
    later[order[1:][equals_previous]] = True
    has_twin = later.copy()
    has_twin[order[:-1][equals_previous]] = True
    return later, has_twin


def repeats(keys: Hashes, twins: Flags, paired: Flags, *, none_paired: bool) -> Flags:
    """Unpaired rows that are duplicates: an equal row has a partner or precedes them.

    Args:
        keys: result of ``twin_keys``.
        twins: rows with an equal row.
        paired: rows with a partner.
        none_paired: whether to include groups of equal rows without any partner, all rows but the first.
    """
    repeated = np.zeros(len(keys), np.bool_)
    rows = np.flatnonzero(twins)
    if not len(rows):
        return repeated
    # Within equal rows, paired rows come first, then by row: every row after the first is a repetition.
    order = np.lexsort((rows, ~paired[rows], keys[rows]))
    ordered = keys[rows][order]
    repeats_earlier = np.zeros(len(rows), np.bool_)
    repeats_earlier[1:] = ordered[1:] == ordered[:-1]
    if not none_paired:
        first = np.maximum.accumulate(np.where(repeats_earlier, 0, np.arange(len(rows))))
        repeats_earlier &= paired[rows][order[first]]
    repeated[rows[order[repeats_earlier]]] = True
    return repeated & ~paired
