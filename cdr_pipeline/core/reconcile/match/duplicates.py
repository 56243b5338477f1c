"""Rows that repeat another row of their own side.

Equal rows are not thrown away before matching: if the other side has as many, they are as many calls (redials within
a minute look alike in a file of whole minutes). What is left of them afterwards, without a partner, repeats.
"""

from typing import Final

import numpy as np

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags, Hashes, combine_hashes

_ID_SEED: Final = 3


def twin_keys(calls: Calls) -> Hashes:
    """Equal for rows that agree in numbers, start, length, amount and call id."""
    key = combine_hashes(calls.block(), calls.block_check())
    for values in (calls.start_ms, calls.duration_ms, calls.amount):
        key = combine_hashes(key, values.view(np.uint64))
    ids = calls.column("call_id")
    return key if ids.null_count() == len(ids) else combine_hashes(key, ids.hash(seed=_ID_SEED).to_numpy())


def later_twins(keys: Hashes) -> tuple[Flags, Flags]:
    """Rows that have an equal one before them, and rows that have an equal one at all."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    later = np.zeros(len(keys), np.bool_)
    later[order[1:][same]] = True
    any_ = later.copy()
    any_[order[:-1][same]] = True
    return later, any_


def repeats(keys: Hashes, twins: Flags, paired: Flags, *, none_paired: bool) -> Flags:
    """Rows without partner that repeat: an equal row has a partner, or stands before them.

    Args:
        keys: of ``twin_keys``.
        twins: rows that have an equal one.
        paired: rows that have a partner.
        none_paired: whether equals without any partner among them count, all but the first.
    """
    found = np.zeros(len(keys), np.bool_)
    rows = np.flatnonzero(twins)
    if not len(rows):
        return found
    # Within equals those with a partner first, then by row: everything after the first of them repeats.
    order = np.lexsort((rows, ~paired[rows], keys[rows]))
    ordered = keys[rows][order]
    after = np.zeros(len(rows), np.bool_)
    after[1:] = ordered[1:] == ordered[:-1]
    if not none_paired:
        first = np.maximum.accumulate(np.where(after, 0, np.arange(len(rows))))
        after &= paired[rows][order[first]]
    found[rows[order[after]]] = True
    return found & ~paired
