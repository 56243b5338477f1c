"""Control totals of a daily file, by origin: what finance compares before it trusts a file."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import polars as pl


@dataclass(slots=True)
class OriginTotals:
    """Totals of one origin; money by currency, ``""`` where a record names none."""

    legs: int = 0
    answered_legs: int = 0
    duration_seconds: Decimal = Decimal(0)
    billing_seconds: Decimal = Decimal(0)
    cost: dict[str, Decimal] = field(default_factory=dict[str, Decimal])


@dataclass(slots=True)
class Totals:
    """Totals that grow chunk by chunk. Never added up over origins: the same call may stand in both."""

    by_origin: dict[str, OriginTotals] = field(default_factory=dict[str, OriginTotals])

    def add(self, records: pl.DataFrame) -> None:
        """Counts a chunk in.

        Args:
            records: at least ``origin, answered, duration_seconds, billing_seconds, cost, cost_currency``.
        """
        sums = records.group_by("origin", pl.col("cost_currency").fill_null("")).agg(
            pl.len().alias("legs"),
            pl.col("answered").sum().alias("answered_legs"),
            pl.col("duration_seconds").sum(),
            pl.col("billing_seconds").sum(),
            pl.col("cost").sum(),
            pl.col("cost").count().alias("priced"),
        )
        for row in sums.sort("origin", "cost_currency").iter_rows(named=True):
            total = self.by_origin.setdefault(row["origin"], OriginTotals())
            total.legs += row["legs"]
            total.answered_legs += row["answered_legs"]
            total.duration_seconds += row["duration_seconds"] or Decimal(0)
            total.billing_seconds += row["billing_seconds"] or Decimal(0)
            if row["priced"]:
                currency = row["cost_currency"]
                total.cost[currency] = total.cost.get(currency, Decimal(0)) + row["cost"]

    def as_json(self) -> dict[str, Any]:
        """Plain values in a fixed order; decimals as text, so that no reader rounds them."""
        return {
            origin: {
                "legs": total.legs,
                "answered_legs": total.answered_legs,
                "duration_seconds": _plain(total.duration_seconds),
                "billing_seconds": _plain(total.billing_seconds),
                "cost": {currency: f"{amount:.8f}" for currency, amount in sorted(total.cost.items())},
            }
            for origin, total in sorted(self.by_origin.items())
        }


def _plain(seconds: Decimal) -> str:
    text = f"{seconds:.3f}".rstrip("0")
    return text.removesuffix(".")
