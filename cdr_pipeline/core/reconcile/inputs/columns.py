"""Columns of a side of a reconciliation."""

from typing import Final

import polars as pl

from cdr_pipeline.errors import InvalidSide

# A side: calls as the switch, or the carrier, recorded them. One row per billable leg, in any order.
#   row_id       unique within its side; identifies the row in the result
#   call_id      id that both sides may have; null if there is none
#   caller       A-number in canonical form; null, "anonymous", ... if withheld
#   callee       B-number in canonical form; "" if unknown
#   started_at   time of the answer if known, otherwise of the start; UTC
#   duration_ms  answered length, milliseconds
#   amount       price of the call in ``currency``; null if unknown
#   answered     whether the side recorded the call as answered
#   destination  destination's name in the tariff; null if unknown
SIDE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "row_id": pl.String(),
    "call_id": pl.String(),
    "caller": pl.String(),
    "callee": pl.String(),
    "started_at": pl.Datetime("us", "UTC"),
    "duration_ms": pl.Int64(),
    "amount": pl.Decimal(18, 8),
    "currency": pl.String(),
    "answered": pl.Boolean(),
    "destination": pl.String(),
}
# Optional columns of the switch's side: when the call was sent to the carrier, and how long it rang.
RINGING_SCHEMA: Final[dict[str, pl.DataType]] = {"invited_at": pl.Datetime("us", "UTC"), "ringing_ms": pl.Int64()}
_NEVER_NULL: Final = ("row_id", "callee", "started_at", "duration_ms", "answered")


def require_side(frame: pl.LazyFrame, name: str) -> None:
    """Rejects a side that the matcher cannot read correctly.

    Args:
        frame: the side; must have the columns and types of ``SIDE_SCHEMA``.
        name: ``switch`` or ``carrier``, for the error message.

    Raises:
        InvalidSide: columns or types differ, a required value is null or a length is negative.
    """
    schema = dict(frame.collect_schema())
    wrong = [column for column, dtype in SIDE_SCHEMA.items() if schema.get(column) != dtype]
    if wrong:
        raise InvalidSide(
            f"the {name} side lacks {', '.join(wrong)} or has them in other types",
            hint="build it with switch_side or carrier_side of core.reconcile.inputs.sides",
        )
    counts = frame.select(
        *(pl.col(column).null_count() for column in _NEVER_NULL),
        negative=(pl.col("duration_ms") < 0).sum(),
    ).collect()
    faulty = [column for column in counts.columns if counts[column].item()]
    if faulty:
        raise InvalidSide(
            f"the {name} side has rows without a usable {', '.join(faulty)}",
            hint="reject these rows before reconciling",
        )
