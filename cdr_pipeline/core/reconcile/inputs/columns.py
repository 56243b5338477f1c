"""One side of a reconciliation: calls as the switch, or as the carrier, recorded them."""

from typing import Final

import polars as pl

from cdr_pipeline.errors import InvalidSide

# One row per billable leg, in any order.
#   row_id       unique within its side: what the result names the row by
#   call_id      id that both sides may know; null where there is none
#   caller       A-number in canonical form; null, "anonymous", ... where it is withheld
#   callee       B-number in canonical form; "" where it is unknown
#   started_at   UTC; the answer where it is known
#   duration_ms  answered length, milliseconds
#   amount       price of the call in ``currency``; null where the side knows none
#   answered     whether the side says it was answered
#   destination  name of the tariff's destination; null where the side knows none
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
_NEVER_NULL: Final = ("row_id", "callee", "started_at", "duration_ms", "answered")


def require_side(frame: pl.LazyFrame, name: str) -> None:
    """Refuses a side that the matcher would read wrongly.

    Args:
        frame: should be in ``SIDE_SCHEMA``.
        name: ``switch`` or ``carrier``, for the message.

    Raises:
        InvalidSide: columns or types differ, a required value is null, a length is negative or a ``row_id`` repeats.
    """
    found = dict(frame.collect_schema())
    wrong = [column for column, dtype in SIDE_SCHEMA.items() if found.get(column) != dtype]
    if wrong:
        raise InvalidSide(
            f"the {name} side lacks {', '.join(wrong)} or has them in other types",
            hint="make it with core.reconcile.legs and core.reconcile.sides",
        )
    counts = frame.select(
        *(pl.col(column).null_count() for column in _NEVER_NULL),
        negative=(pl.col("duration_ms") < 0).sum(),
    ).collect()
    faulty = [column for column in counts.columns if counts[column].item()]
    if faulty:
        raise InvalidSide(f"the {name} side has rows without a usable {', '.join(faulty)}", hint="reject them before")
