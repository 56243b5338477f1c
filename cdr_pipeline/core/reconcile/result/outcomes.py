"""Outcomes of a day: one row per pair or unpaired record, totals, and changes between versions."""

from dataclasses import dataclass
from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.core.reconcile.classify.classes import NOT_CHARGED, MatchClass
from cdr_pipeline.core.reconcile.result.reconciled import Reconciled
from cdr_pipeline.errors import UnbalancedReconciliation

_MONEY: Final = pl.Decimal(24, 8)
_SECONDS: Final = pl.Decimal(18, 3)
_ID_LENGTH: Final = 32
_SEPARATOR: Final = "\x1f"
_NOTHING: Final = "\x00"

# One row per outcome: a pair, or a record without partner.
#   outcome_id   fingerprint of class, records, lengths and amounts; a change of any of them makes another outcome
#   agreed_rate, expected_amount  of a pair, or of a call that the carrier has not charged; null without an agreed price
#   exposure     in the currency of the carrier's record, otherwise of the switch's
#   agreed_currency  of the expected amount of a call that the carrier has not charged
#   part_of      record of the switch whose call has this further record of the carrier; the pair has its amount
#   started_at   the switch's time of the call, otherwise the carrier's after the clock offset is removed
OUTCOME_SCHEMA: Final[dict[str, pl.DataType]] = {
    "outcome_id": pl.String(),
    "class": pl.String(),
    "is_break": pl.Boolean(),
    "cause": pl.String(),
    "ambiguous": pl.Boolean(),
    "switch_record_id": pl.String(),
    "switch_date": pl.Date(),
    "carrier_record_id": pl.String(),
    "carrier_date": pl.Date(),
    "started_at": pl.Datetime("us", "UTC"),
    "destination": pl.String(),
    "switch_seconds": _SECONDS,
    "carrier_seconds": _SECONDS,
    "switch_amount": _MONEY,
    "carrier_amount": _MONEY,
    "exposure": _MONEY,
    "delta_ms": pl.Int64(),
    "agreed_rate": pl.Decimal(18, 8),
    "expected_amount": _MONEY,
    "detail": pl.String(),
    "switch_currency": pl.String(),
    "carrier_currency": pl.String(),
    "agreed_currency": pl.String(),
    "part_of": pl.String(),
}
# Columns of an outcome that the warehouse stores; ``currency`` is that of its exposure.
STORED_COLUMNS: Final = (*(name for name in OUTCOME_SCHEMA if not name.endswith("_currency")), "currency")
_FINGERPRINTED: Final = (
    "class", "switch_record_id", "carrier_record_id", "switch_seconds", "carrier_seconds", "switch_amount",
    "carrier_amount", "exposure",
)  # fmt: skip
_COUNTED: Final = (
    "switch_record_id", "carrier_record_id", "switch_seconds", "carrier_seconds", "switch_amount", "carrier_amount",
    "exposure",
)  # fmt: skip
_BREAKS: Final = [item.value for item in MatchClass if item.is_break]
# Classes of pairs that are certainly one call. Records with equal numbers hours apart may be two calls.
LINKED_CLASSES: Final = tuple(
    item.value
    for item in MatchClass
    if item
    in {
        MatchClass.MATCHED, MatchClass.MATCHED_TOL, MatchClass.DURATION_MISMATCH, MatchClass.COST_MISMATCH,
        MatchClass.BOTH_MISMATCH, MatchClass.TIME_MISMATCH, MatchClass.ANSWER_MISMATCH,
    }
)  # fmt: skip

# Columns of a record that assign it to a day and time.
PLACE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "record_id": pl.String(),
    "business_date": pl.Date(),
    "started_at": pl.Datetime("us", "UTC"),
}


def outcomes_of(reconciled: Reconciled, switch: pl.DataFrame, carrier: pl.DataFrame) -> pl.DataFrame:
    """Outcomes of the rows of both sides; every row is in exactly one.

    Args:
        reconciled: the matcher's result for the records of both frames.
        switch: ``PLACE_SCHEMA`` of the legs.
        carrier: ``PLACE_SCHEMA`` of the carrier's records.

    Returns:
        ``OUTCOME_SCHEMA``, ordered by ``outcome_id``.
    """
    offset = int(reconciled.offset["offset_ms"].item())
    ours = _side(reconciled, "switch", switch, shift_ms=0)
    theirs = _side(reconciled, "carrier", carrier, shift_ms=offset)
    pairs = reconciled.pairs.select(
        pl.col("switch_row_id").alias("switch_record_id"),
        pl.col("carrier_row_id").alias("carrier_record_id"),
        "delta_ms",
        pl.col("cause", "agreed_rate", "detail").cast(pl.String),
        "expected_amount",
    )
    accruals = reconciled.accruals.select(
        pl.col("switch_row_id").alias("switch_record_id"),
        pl.col("agreed_rate", "currency").cast(pl.String),
        "expected_amount",
    ).rename({"currency": "agreed_currency"})
    paired = pairs.join(ours, on="switch_record_id").join(theirs, on="carrier_record_id", suffix="_carrier")
    further = reconciled.parts.select(
        pl.col("carrier_row_id").alias("carrier_record_id"), pl.col("switch_row_id").alias("part_of")
    )
    unpaired = pl.concat(
        [
            ours.join(pairs, on="switch_record_id", how="anti").join(accruals, on="switch_record_id", how="left"),
            theirs.join(pairs, on="carrier_record_id", how="anti").join(further, on="carrier_record_id", how="left"),
        ],
        how="diagonal",
    )
    outcomes = pl.concat(
        [
            paired.with_columns((pl.col("exposure") + pl.col("exposure_carrier")).alias("exposure")).drop(
                "started_at_carrier", "destination_carrier", "exposure_carrier", "class_carrier", "ambiguous_carrier"
            ),
            unpaired,
        ],
        how="diagonal",
    ).with_columns(pl.col("class").is_in(_BREAKS).alias("is_break"))
    text = [pl.col(name).cast(pl.String).fill_null(_NOTHING) for name in _FINGERPRINTED]
    # Ids of outcomes that are no part are those of earlier versions.
    of_call = (
        pl.when(pl.col("part_of").is_not_null()).then(pl.lit(_SEPARATOR) + pl.col("part_of")).otherwise(pl.lit(""))
    )
    return (
        outcomes.with_columns((pl.concat_str(text, separator=_SEPARATOR) + of_call).alias("__text"))
        .with_columns(plh.col("__text").chash.sha2_256().str.head(_ID_LENGTH).alias("outcome_id"))
        .select(pl.col(name).cast(dtype) for name, dtype in OUTCOME_SCHEMA.items())
        .sort("outcome_id")
    )


def _side(reconciled: Reconciled, side: str, places: pl.DataFrame, *, shift_ms: int) -> pl.DataFrame:
    return (
        reconciled.rows.filter(pl.col("side") == side)
        .join(places, left_on="row_id", right_on="record_id")
        .select(
            pl.col("class").cast(pl.String),
            pl.col("row_id").alias(f"{side}_record_id"),
            pl.col("business_date").alias(f"{side}_date"),
            pl.col("started_at").dt.offset_by(f"{-shift_ms}ms").alias("started_at"),
            "destination",
            pl.col("seconds").alias(f"{side}_seconds"),
            pl.col("amount").alias(f"{side}_amount"),
            "exposure",
            "ambiguous",
            pl.col("currency").cast(pl.String).alias(f"{side}_currency"),
        )
    )


def totals_of(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Totals for drilling down: one row per destination, class and currency, in that order.

    If the sides of a pair have different currencies, the pair counts in the carrier's. The switch's amount is then in a
    row of its own currency, without records.

    Returns:
        ``destination, class, is_break, currency, switch_rows, carrier_rows, switch_seconds, carrier_seconds,
        switch_amount, carrier_amount, exposure, undercharged, accrued``; the exposure is the money at risk: amounts
        that are charged too little are not deducted. Accrued is the price of calls that are not charged yet.
    """
    key = ("destination", "class", "is_break", "currency")
    not_charged = pl.col("class").is_in([item.value for item in NOT_CHARGED])
    whole = outcomes.with_columns(
        currency=currency_of_outcome(),
        exposure=at_risk(),
        undercharged=pl.col("exposure").clip(upper_bound=0).abs(),
        accrued=pl.when(not_charged).then("expected_amount").fill_null(0),
    )
    foreign = (pl.col("switch_currency") != pl.col("currency")).fill_null(value=False)
    nothing = {name: pl.lit(None, outcomes.schema[name]) for name in _COUNTED if name != "switch_amount"}
    nothing |= {name: pl.lit(0, _MONEY) for name in ("undercharged", "accrued")}
    parts = [
        whole.with_columns(switch_amount=pl.when(~foreign).then("switch_amount")),
        whole.filter(foreign).with_columns(currency=pl.col("switch_currency"), **nothing),
    ]
    return (
        pl.concat(parts)
        .group_by(key)
        .agg(
            pl.col("switch_record_id", "carrier_record_id").count().cast(pl.Int64).name.map(_rows_name),
            pl.col("switch_seconds", "carrier_seconds", "switch_amount", "carrier_amount", "exposure").sum(),
            pl.col("undercharged", "accrued").sum(),
        )
        .sort("destination", "class", "currency")
    )


def currency_of_outcome() -> pl.Expr:
    """Currency of an outcome's exposure, or of what we will owe for it; "" if neither side names one."""
    return pl.coalesce("carrier_currency", "agreed_currency", "switch_currency").fill_null("")


def at_risk() -> pl.Expr:
    """Money at risk of an outcome: its exposure if the carrier charges too much, otherwise 0."""
    return pl.col("exposure").clip(lower_bound=0)


def _rows_name(column: str) -> str:
    return f"{column.split('_', maxsplit=1)[0]}_rows"


def require_every_leg(outcomes: pl.DataFrame, switch: pl.DataFrame, reconciliation: str) -> None:
    """Checks that every leg of the day is in exactly one outcome, and no record of the carrier in two.

    Args:
        outcomes: outcomes of the day.
        switch: legs of the day, with ``record_id``.
        reconciliation: name of the reconciliation, for the error message.

    Raises:
        UnbalancedReconciliation: the check fails.
    """
    ids = outcomes["switch_record_id"].drop_nulls()
    theirs = outcomes["carrier_record_id"].drop_nulls()
    missing = switch.height - switch["record_id"].is_in(ids.implode()).sum()
    if missing or len(ids) != switch.height or theirs.n_unique() != len(theirs):
        raise UnbalancedReconciliation(
            f"{reconciliation}: {switch.height} legs, {len(ids)} in outcomes, {missing} missing; nothing was written",
            hint="this is a bug in cdr_pipeline; please report it",
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """Differences between two versions of a reconciliation.

    Attributes:
        added: outcomes that only the new version has.
        removed: outcomes that only the old version has.
        appeared: number of breaks of records that were in no break.
        resolved: number of breaks whose records are in no break any more.
        changed: number of breaks of records that were in a break with another class, amount or partner.
    """

    added: pl.DataFrame
    removed: pl.DataFrame
    appeared: int
    resolved: int
    changed: int


def changes_between(before: pl.DataFrame, after: pl.DataFrame) -> Changes:
    """Outcomes that differ between two versions.

    Args:
        before: ``outcome_id, class, is_break, switch_record_id, carrier_record_id`` of the old version.
        after: ``OUTCOME_SCHEMA`` of the new version.
    """
    added = after.join(before, on="outcome_id", how="anti")
    removed = before.join(after, on="outcome_id", how="anti")
    removed_breaks, added_breaks = _records(removed), _records(added)
    new = added.filter("is_break").with_columns(_touches(removed_breaks).alias("__known"))
    old = removed.filter("is_break").with_columns(_touches(added_breaks).alias("__known"))
    changed = int(new["__known"].sum())
    return Changes(added, removed, new.height - changed, old.height - int(old["__known"].sum()), changed)


def _records(outcomes: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Record ids of either side that are in breaks."""
    breaks = outcomes.filter("is_break")
    return breaks["switch_record_id"].drop_nulls(), breaks["carrier_record_id"].drop_nulls()


def _touches(records: tuple[pl.Series, pl.Series]) -> pl.Expr:
    ours, theirs = records
    return pl.col("switch_record_id").is_in(ours.implode()).fill_null(value=False) | pl.col("carrier_record_id").is_in(
        theirs.implode()
    ).fill_null(value=False)
