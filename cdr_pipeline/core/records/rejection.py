"""Splits frames into accepted rows and rejects. A row with several faults is rejected for the first in the list."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from cdr_pipeline.core.fields.schemas import DAY, DETAIL, LINE, RAW, REJECT_SCHEMA, CheckedRows
from cdr_pipeline.core.records.reasons import Reject

_FAULT = "__fault"


@dataclass(frozen=True, slots=True)
class RowFault:
    """A condition under which a row is rejected.

    Attributes:
        field: name of the field in the reject.
        reason: reason code of the reject.
        where: Boolean expression over the frame; null means that the row has no such fault.
        detail: text expression that describes the fault without the value; None if the reason is enough.
    """

    field: str
    reason: Reject
    where: pl.Expr
    detail: pl.Expr | None = None


def too_many_bytes(text: pl.Expr, limit: int) -> pl.Expr:
    """Detail of a text that is too long: its length and the limit."""
    return pl.concat_str(text.str.len_bytes().cast(pl.String), pl.lit(f" bytes, at most {limit}"))


def split_rejects(
    frame: pl.DataFrame,
    faults: Sequence[RowFault],
    columns: Sequence[str] | None = None,
    *,
    day: pl.Expr | None = None,
) -> CheckedRows:
    """Splits a frame into rows without a fault and rejects.

    Args:
        frame: any columns, among them ``line`` and ``raw``; one row per record.
        faults: conditions, most specific first; a row is rejected once, for the first condition that holds.
        columns: columns of the accepted rows; all when omitted.
        day: business date of a rejected row; that of its column ``business_date``, if it has one, when omitted.

    Returns:
        Accepted rows in their order, and rejects in ``REJECT_SCHEMA``.
    """
    if not faults or frame.is_empty():
        accepted = frame if columns is None else frame.select(columns)
        return CheckedRows(accepted, pl.DataFrame(schema=REJECT_SCHEMA))
    first_fault = frame.select(
        pl.coalesce(pl.when(fault.where).then(pl.lit(number, pl.Int32)) for number, fault in enumerate(faults)).alias(
            _FAULT
        )
    ).to_series()
    if first_fault.null_count() == len(first_fault):
        return CheckedRows(frame if columns is None else frame.select(columns), pl.DataFrame(schema=REJECT_SCHEMA))
    numbered = frame.with_columns(first_fault)
    table = pl.DataFrame(
        {
            _FAULT: range(len(faults)),
            "field": [fault.field for fault in faults],
            "reason": [fault.reason.value for fault in faults],
        },
        schema_overrides={_FAULT: pl.Int32},
    )
    details = [
        pl.when(pl.col(_FAULT) == number).then(fault.detail)
        for number, fault in enumerate(faults)
        if fault.detail is not None
    ]
    if day is None:
        day = pl.col(DAY) if frame.schema.get(DAY) == pl.Date else pl.lit(None, pl.Date)
    rejects = (
        numbered.filter(pl.col(_FAULT).is_not_null())
        .select(LINE, RAW, _FAULT, pl.coalesce(*details, pl.lit(None, pl.String)).alias(DETAIL), day.alias(DAY))
        .join(table, on=_FAULT, how="left", maintain_order="left")
        .select(*REJECT_SCHEMA)
    )
    accepted = numbered.filter(pl.col(_FAULT).is_null()).drop(_FAULT)
    return CheckedRows(accepted if columns is None else accepted.select(columns), rejects)
