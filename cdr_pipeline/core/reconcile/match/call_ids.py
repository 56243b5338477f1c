"""Pairs by a call id that both sides know: the surest, where an id is one call on either side."""

from typing import Final

import numpy as np
import polars as pl

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags, Rows
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison

# Numbers may be rewritten between the two, and clocks differ; a call that differs in both is another call.
_SANE_MS: Final = 600_000


def paired_by_call_id(it: Comparison, first_a: Flags, first_b: Flags) -> tuple[Rows, Rows]:
    """Rows whose call id occurs once on each side, if their numbers or times agree; one of the two is billable.

    Args:
        it: the two sides.
        first_a: rows of the switch that repeat no other one.
        first_b: the same of the carrier.
    """
    switch, carrier = it.switch, it.carrier
    ours, theirs = _single(switch, first_a), _single(carrier, first_b)
    if ours.is_empty() or theirs.is_empty():
        nothing = np.zeros(0, np.int32)
        return nothing, nothing
    both = ours.join(theirs, on="call_id", suffix="_b")
    rows_a = both["row"].to_numpy()
    rows_b = both["row_b"].to_numpy()
    numbers = (switch.dialled_check[rows_a] == carrier.dialled_check[rows_b]) & (
        switch.withheld[rows_a]
        | carrier.withheld[rows_b]
        | (switch.caller_check[rows_a] == carrier.caller_check[rows_b])
    )
    near = np.abs(it.carrier_start[rows_b] - switch.start_ms[rows_a]) <= _SANE_MS
    kept = (numbers | near) & (switch.billable[rows_a] | carrier.billable[rows_b])
    return rows_a[kept], rows_b[kept]


def _single(calls: Calls, first: Flags) -> pl.DataFrame:
    ids = pl.DataFrame([calls.column("call_id"), pl.Series("row", np.arange(calls.count, dtype=np.int32))])
    known = ids.filter(pl.col("value").is_not_null() & pl.Series(first)).rename({"value": "call_id"})
    return known.filter(pl.col("call_id").is_unique())
