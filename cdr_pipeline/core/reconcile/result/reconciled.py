"""What a reconciliation returns."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from cdr_pipeline.core.reconcile.classify.classes import CAUSE_TYPE, CLASS_TYPE, SIDE_TYPE

MONEY: Final = pl.Decimal(38, 8)
SECONDS: Final = pl.Decimal(38, 3)
# Few different texts: four bytes a row instead of sixteen.
DESTINATION_TYPE: Final = pl.Categorical()
CURRENCY_TYPE: Final = pl.Categorical()

PAIR_SCHEMA: Final[dict[str, pl.DataType]] = {
    "switch_row_id": pl.String(),
    "carrier_row_id": pl.String(),
    "class": CLASS_TYPE,
    "ambiguous": pl.Boolean(),
    "delta_ms": pl.Int64(),
    "duration_difference_ms": pl.Int64(),
    "amount_difference": MONEY,
    "cause": CAUSE_TYPE,
}
ROW_SCHEMA: Final[dict[str, pl.DataType]] = {
    "side": SIDE_TYPE,
    "row_id": pl.String(),
    "class": CLASS_TYPE,
    "seconds": SECONDS,
    "billed_seconds": pl.Int64(),
    "currency": CURRENCY_TYPE,
    "amount": MONEY,
    "exposure": MONEY,
    "destination": DESTINATION_TYPE,
}
TOTAL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "destination": pl.String(),
    "class": CLASS_TYPE,
    "side": SIDE_TYPE,
    "currency": pl.String(),
    "rows": pl.Int64(),
    "seconds": SECONDS,
    "billed_seconds": pl.Int64(),
    "amount": MONEY,
    "exposure": MONEY,
}
OFFSET_SCHEMA: Final[dict[str, pl.DataType]] = {
    "status": pl.String(),
    "offset_ms": pl.Int64(),
    "drift_ppm": pl.Float64(),
    "spread_ms": pl.Int64(),
    "pairs": pl.Int64(),
    "finding": pl.String(),
    "step_at": pl.Datetime("us", "UTC"),
    "step_ms": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Two sides, reconciled. The same for the same rows in any order.

    Attributes:
        pairs: ``PAIR_SCHEMA``, one row per pair, ordered by ``switch_row_id``; no row of a side is in two.
            ``ambiguous``: another pairing was as good, and this is one of equals.
            ``delta_ms``: carrier less switch, offset taken out.
            ``duration_difference_ms``: carrier less switch, or less its billed length where that is nearer.
            ``amount_difference``: carrier less what was expected; null where nothing was.
        rows: ``ROW_SCHEMA``, one row per row of either side, the switch's first, each side ordered by ``row_id``.
            ``exposure`` stands on the row that is charged: negative where the carrier charges too little.
            ``currency`` is that of the row's amount and exposure, the default one where it names none.
        totals: ``TOTAL_SCHEMA``, one row per destination, class, side and currency that occurs, in that order; amounts
            of two currencies are never added.
        offset: ``OFFSET_SCHEMA``, one row: the carrier's clock less the switch's. Status ``found``, ``given`` or
            ``offset_unknown`` (taken as 0); ``finding`` says what a person should look at, "" for nothing. A clock
            that jumps (a zone's DST in a file of local times) does so by ``step_ms`` from ``step_at`` on.
        narrowed: rows with more candidates than are worth comparing; only the nearest were looked at.
    """

    pairs: pl.DataFrame
    rows: pl.DataFrame
    totals: pl.DataFrame
    offset: pl.DataFrame
    narrowed: int = 0
