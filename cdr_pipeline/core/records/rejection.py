"""Turns faults found in columns into rejected rows: one reject per row, the first fault in the order given."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW, REJECT_SCHEMA, CheckedRows
from cdr_pipeline.core.records.reasons import Reject

_FAULT = "__fault"


@dataclass(frozen=True, slots=True)
class RowFault:
    """A condition under which a row is refused.

    Attributes:
        field: the field at fault, named in the reject.
        reason: its code.
        where: Boolean expression over the frame; null counts as no fault.
    """

    field: str
    reason: Reject
    where: pl.Expr


def split_rejects(frame: pl.DataFrame, faults: Sequence[RowFault], columns: Sequence[str] | None = None) -> CheckedRows:
    """Splits a frame into rows without a fault and rejects.

    Args:
        frame: any columns, among them ``line`` and ``raw``; one row per record.
        faults: conditions, most telling first; a row is rejected once, for the first that holds.
        columns: columns to keep in the rows that go on; all when omitted.

    Returns:
        Rows in their order, and rejects in ``REJECT_SCHEMA``.
    """
    if not faults or frame.is_empty():
        kept = frame if columns is None else frame.select(columns)
        return CheckedRows(kept, pl.DataFrame(schema=REJECT_SCHEMA))
    found = frame.select(
        pl.coalesce(pl.when(fault.where).then(pl.lit(number, pl.Int32)) for number, fault in enumerate(faults)).alias(
            _FAULT
        )
    ).to_series()
    if found.null_count() == len(found):
        return CheckedRows(frame if columns is None else frame.select(columns), pl.DataFrame(schema=REJECT_SCHEMA))
    marked = frame.with_columns(found)
    table = pl.DataFrame(
        {
            _FAULT: range(len(faults)),
            "field": [fault.field for fault in faults],
            "reason": [fault.reason.value for fault in faults],
        },
        schema_overrides={_FAULT: pl.Int32},
    )
    rejects = (
        marked.filter(pl.col(_FAULT).is_not_null())
        .select(LINE, RAW, _FAULT)
        .join(table, on=_FAULT, how="left", maintain_order="left")
        .select(*REJECT_SCHEMA)
    )
    kept = marked.filter(pl.col(_FAULT).is_null()).drop(_FAULT)
    return CheckedRows(kept if columns is None else kept.select(columns), rejects)
