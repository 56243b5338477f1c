"""Totals of money by currency: what the carrier charges, and which part of it is agreed, disputable or unverified."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class RejectedCharges:
    """Rejected lines of a carrier's files in one currency.

    Attributes:
        currency: "" if the lines name none.
        line_count: number of lines.
        priced_count: number of those whose amount could be read.
        amount: sum of these amounts.
    """

    currency: str
    line_count: int
    priced_count: int
    amount: Decimal


def totals_of_rejected(rejected: Iterable[RejectedCharges], currency: str) -> list[dict[str, Any]]:
    """Rejected lines as rows of ``outcomes.totals_of``, one per currency; ``currency`` where the lines name none."""
    by_currency: dict[str, tuple[int, Decimal]] = {}
    for item in rejected:
        unit = item.currency or currency
        lines, amount = by_currency.get(unit, (0, Decimal(0)))
        by_currency[unit] = (lines + item.line_count, amount + item.amount)
    nothing = dict.fromkeys(
        ("switch_seconds", "carrier_seconds", "switch_amount", "exposure", "undercharged", "accrued"), Decimal(0)
    )
    return [
        nothing
        | {
            "destination": "",
            "class": MatchClass.REJECTED.value,
            "is_break": False,
            "currency": unit,
            "switch_rows": 0,
            "carrier_rows": lines,
            "carrier_amount": amount,
        }
        for unit, (lines, amount) in sorted(by_currency.items())
    ]


def finding_of_rejected(rejected: Iterable[RejectedCharges], currency: str) -> list[str]:
    """What rejected lines charge, and how many of them have no readable amount; empty without such lines."""
    items = list(rejected)
    lines, priced = sum(item.line_count for item in items), sum(item.priced_count for item in items)
    if not lines:
        return []
    amounts = ", ".join(
        f"{row['carrier_amount']:.4f} {row['currency']}".strip()
        for row in totals_of_rejected((item for item in items if item.priced_count), currency)
    )
    words = f"{lines} line{'' if lines == 1 else 's'} of the carrier's files cannot be read"
    parts = [f"{amounts} charged in {priced}"] if priced else []
    parts += [f"{lines - priced} without a readable amount"] if priced < lines else []
    return [f"{words}: {', '.join(parts)}; correct or dismiss them"]
