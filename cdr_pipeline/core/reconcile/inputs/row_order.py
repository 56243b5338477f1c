"""Order of the rows of a side: by id, or by a key. Fast, and the same on every machine."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

Positions = npt.NDArray[np.int64]

# Bytes of an id that are compared as one number.
_HEAD: Final = 8


def stable_order(keys: npt.NDArray[np.uint64] | npt.NDArray[np.int64]) -> Positions:
    """Indexes that sort the keys; equal keys keep their order.

    A vectorized sort and a second one of the equal keys take a third of the time of a stable sort.
    """
    order = np.argsort(keys)
    ordered = keys[order]
    tied, run = _tied(ordered)
    if 2 * len(tied) > len(keys):
        return np.argsort(keys, kind="stable")
    order[tied] = order[tied][np.lexsort((order[tied], run))]
    return order


def order_of_ids(ids: pl.Series) -> Positions:
    """Indexes that sort distinct texts by their bytes.

    Texts are compared by the eight bytes after the beginning that all share. Those with equal bytes are compared whole.
    """
    if len(ids) < 2:  # noqa: PLR2004 - nothing to sort
        return np.arange(len(ids))
    least, most = str(ids.min()).encode(), str(ids.max()).encode()
    shared = next((place for place, (one, other) in enumerate(zip(least, most, strict=False)) if one != other), 0)
    padded = (ids + "\0" * _HEAD).cast(pl.Binary)
    head = padded.bin.slice(shared, _HEAD).bin.reinterpret(dtype=pl.UInt64, endianness="big")
    keys = head.to_numpy()
    order = np.argsort(keys)
    tied, run = _tied(keys[order])
    if 2 * len(tied) > len(ids):
        return ids.arg_sort().to_numpy().astype(np.int64)
    if len(tied):
        rows = pl.DataFrame({"run": run, "id": ids.gather(order[tied]), "row": order[tied]})
        order[tied] = rows.sort("run", "id")["row"].to_numpy()
    return order


def _tied(ordered: npt.NDArray[np.uint64] | npt.NDArray[np.int64]) -> tuple[Positions, Positions]:
    """Positions of sorted keys that occur more than once, and the number of their value."""
    equals_previous = np.zeros(len(ordered) + 1, np.bool_)
    equals_previous[1:-1] = ordered[1:] == ordered[:-1]
    tied = np.flatnonzero(equals_previous[1:] | equals_previous[:-1])
    if not len(tied):
        return tied, tied
    return tied, np.cumsum(~equals_previous[tied], dtype=np.int64)
