"""Totals of money by currency: what the carrier charges, and which part of it is agreed, disputable or unverified."""

from typing import Final

import polars as pl

from cdr_pipeline.core.reconcile.classify.classes import MatchClass
from cdr_pipeline.core.reconcile.result.reconciled import MONEY

# Classes whose charges are a part of their own; the charges of all other classes are agreed, too high or too low.
_PARTS: Final = {
    "unpriced": (MatchClass.UNPRICED,),
    "credited": (MatchClass.CREDITED,),
    "other_charges": (MatchClass.OTHER_CHARGE,),
    "not_compared": (MatchClass.OUT_OF_INTERVAL, MatchClass.UNBILLABLE),
    "rejected": (MatchClass.REJECTED,),
}
MONEY_TOTALS: Final = ("charged", "agreed", "overcharged", "undercharged", *_PARTS, "accrued")


def money_totals(rows: pl.DataFrame, accruals: pl.DataFrame) -> pl.DataFrame:
    """``currency`` and ``MONEY_TOTALS``, one row per currency of the carrier's charges.

    Charged = agreed + overcharged - undercharged + unpriced + credited + other charges + not compared + rejected; too
    much and too little are never netted. Accrued is what we will owe for calls that are not charged yet.

    Args:
        rows: ``ROW_SCHEMA`` with every row of the carrier.
        accruals: ``ACCRUAL_SCHEMA``.
    """
    kind = pl.col("class").cast(pl.String)
    charged, exposure = pl.col("amount").fill_null(0), pl.col("exposure")
    separate = kind.is_in([item.value for items in _PARTS.values() for item in items])
    sums = {
        "charged": charged.sum(),
        "agreed": (charged - exposure).filter(~separate).sum(),
        "overcharged": exposure.clip(lower_bound=0).filter(~separate).sum(),
        "undercharged": exposure.clip(upper_bound=0).filter(~separate).sum().abs(),
    } | {name: charged.filter(kind.is_in([item.value for item in items])).sum() for name, items in _PARTS.items()}
    of_carrier = (
        rows.filter((pl.col("side") == "carrier") & pl.col("amount").is_not_null())
        .group_by(pl.col("currency").cast(pl.String))
        .agg(total.alias(name) for name, total in sums.items())
    )
    accrued = accruals.group_by(pl.col("currency").cast(pl.String)).agg(accrued=pl.col("expected_amount").sum())
    both = of_carrier.join(accrued, on="currency", how="full", coalesce=True)
    return both.select("currency", pl.col(*MONEY_TOTALS).fill_null(0).cast(MONEY)).sort("currency")
