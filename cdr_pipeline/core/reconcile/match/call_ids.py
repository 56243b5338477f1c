"""First pass: pairs by a call id that occurs once on each side."""

from typing import Final

import numpy as np
import polars as pl

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags, Rows
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison

# Numbers may be rewritten between the sides, and clocks differ; rows that differ in both are different calls.
_PLAUSIBLE_MS: Final = 600_000


def paired_by_call_id(comparison: Comparison, first_a: Flags, first_b: Flags) -> tuple[Rows, Rows]:
    """Rows whose call id occurs once on each side, if their numbers or times agree and at least one is billable.

    Args:
        comparison: the two sides.
        first_a: rows of the switch that do not repeat an earlier row.
        first_b: rows of the carrier that do not repeat an earlier row.
    """
    switch, carrier = comparison.switch, comparison.carrier
    switch_ids, carrier_ids = _unique_ids(switch, first_a), _unique_ids(carrier, first_b)
    if switch_ids.is_empty() or carrier_ids.is_empty():
        nothing = np.zeros(0, np.int32)
        return nothing, nothing
    shared_ids = switch_ids.join(carrier_ids, on="call_id", suffix="_b")
    rows_a = shared_ids["row"].to_numpy()
    rows_b = shared_ids["row_b"].to_numpy()
    numbers_agree = (switch.dialled_check[rows_a] == carrier.dialled_check[rows_b]) & (
        switch.withheld[rows_a]
        | carrier.withheld[rows_b]
        | (switch.caller_check[rows_a] == carrier.caller_check[rows_b])
    )
    times_agree = np.abs(comparison.carrier_start[rows_b] - switch.start_ms[rows_a]) <= _PLAUSIBLE_MS
    accepted = (numbers_agree | times_agree) & (switch.billable[rows_a] | carrier.billable[rows_b])
    return rows_a[accepted], rows_b[accepted]


def _unique_ids(calls: Calls, first: Flags) -> pl.DataFrame:
    texts = calls.column("call_id")
    rows = np.flatnonzero(first & texts.is_not_null().to_numpy()).astype(np.int32)
    ids_of_first = pl.DataFrame({"call_id": texts.gather(rows), "row": rows})
    return ids_of_first.filter(pl.col("call_id").is_unique())
