"""Result of a reconciliation and the schemas of its frames."""

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from cdr_pipeline.core.reconcile.classify.classes import CAUSE_TYPE, CLASS_TYPE, SIDE_TYPE

MONEY: Final = pl.Decimal(38, 8)
SECONDS: Final = pl.Decimal(38, 3)
# Few distinct texts: four bytes per row instead of sixteen.
DESTINATION_TYPE: Final = pl.Categorical()
CURRENCY_TYPE: Final = pl.Categorical()
RATE_TYPE: Final = pl.Categorical()
DETAIL_TYPE: Final = pl.Categorical()

PAIR_SCHEMA: Final[dict[str, pl.DataType]] = {
    "switch_row_id": pl.String(),
    "carrier_row_id": pl.String(),
    "class": CLASS_TYPE,
    "ambiguous": pl.Boolean(),
    "delta_ms": pl.Int64(),
    "duration_difference_ms": pl.Int64(),
    "amount_difference": MONEY,
    "cause": CAUSE_TYPE,
    "agreed_rate": RATE_TYPE,
    "expected_amount": MONEY,
    "detail": DETAIL_TYPE,
}
ACCRUAL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "switch_row_id": pl.String(),
    "agreed_rate": RATE_TYPE,
    "expected_amount": MONEY,
    "currency": CURRENCY_TYPE,
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
    "ambiguous": pl.Boolean(),
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
PART_SCHEMA: Final[dict[str, pl.DataType]] = {"carrier_row_id": pl.String(), "switch_row_id": pl.String()}
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
    """Result of a reconciliation. It does not depend on the order of the input rows.

    Attributes:
        pairs: ``PAIR_SCHEMA``, one row per pair, ordered by ``switch_row_id``; no row is in two pairs.
            ``ambiguous``: another pairing is as good, or two calls are hardly less likely than one.
            ``delta_ms``: carrier's start minus the switch's after the clock offset is removed.
            ``duration_difference_ms``: carrier's length minus the switch's measured or billed length, the nearer one.
            ``amount_difference``: charge minus expected amount; null if they are not comparable.
            ``agreed_rate``: price of a minute by the rate card; null without one.
            ``expected_amount``: what the carrier should charge; null if no price is agreed.
            ``detail``: what explains the cause, such as ``60/60 instead of 1/1``; null if there is nothing to add.
        rows: ``ROW_SCHEMA``, one row per row of either side, the switch's first, each side ordered by ``row_id``.
            ``exposure`` is in the row of the charge: negative if the carrier charges too little.
            ``currency`` is that of the row's amount and exposure; the default one if the row names none.
            ``ambiguous`` is that of the row's pair; a row without partner is ambiguous if it may belong to another one.
        totals: ``TOTAL_SCHEMA``, one row per destination, class, side and currency that occurs, in that order; amounts
            of different currencies are never added.
        offset: ``OFFSET_SCHEMA``, one row: the carrier's clock minus the switch's. Status is ``found``, ``given`` or
            ``offset_unknown`` (0 is used). ``finding`` is what a person should check, or "". If the clock jumps
            (DST in a file of local times), it does so by ``step_ms`` at ``step_at``.
        accruals: ``ACCRUAL_SCHEMA``, calls that the carrier has not charged and that have a price: what we will owe.
        parts: ``PART_SCHEMA``, further records of calls that are in ``pairs`` with another record of the carrier: parts
            of long calls, charges that were credited, and their credits; by ``carrier_row_id``.
        narrowed: number of rows with too many candidates; only the nearest were examined.
        findings: what a person should know about the sides; contains no personal data.
    """

    pairs: pl.DataFrame
    rows: pl.DataFrame
    totals: pl.DataFrame
    offset: pl.DataFrame
    accruals: pl.DataFrame
    parts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PART_SCHEMA))
    narrowed: int = 0
    findings: tuple[str, ...] = ()
