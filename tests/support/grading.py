"""How good a reconciliation is, against the truth."""

from dataclasses import dataclass
from decimal import Decimal

import polars as pl
from known_truth import KnownTruth

from cdr_pipeline.core.reconcile import Reconciled


@dataclass(frozen=True, slots=True)
class Grade:
    """Precision and recall of pairs, F1 of every class that occurs, and money by class that is not where it belongs."""

    precision: float
    recall: float
    f1: dict[str, float]
    amount_error: Decimal

    @property
    def worst(self) -> tuple[str, float]:
        """The class with the smallest F1."""
        name = min(self.f1, key=self.f1.__getitem__)
        return name, self.f1[name]


def grade_pairs(pairs: pl.DataFrame, truth: KnownTruth) -> tuple[float, float]:
    """Precision and recall."""
    right = pairs.join(truth.pairs, on=["switch_row_id", "carrier_row_id"], how="semi").height
    return right / max(pairs.height, 1), right / max(truth.pairs.height, 1)


def grade(result: Reconciled, truth: KnownTruth) -> Grade:
    """Everything."""
    precision, recall = grade_pairs(result.pairs, truth)
    both = result.rows.select("row_id", pl.col("class").cast(pl.String), "amount").join(
        truth.classes.rename({"class": "true"}).drop("amount"), on="row_id"
    )
    assert both.height == result.rows.height == truth.classes.height
    f1 = {}
    for name in sorted(set(both["class"].unique()) | set(both["true"].unique())):
        hit = both.filter((pl.col("class") == name) & (pl.col("true") == name)).height
        said, is_ = both.filter(pl.col("class") == name).height, both.filter(pl.col("true") == name).height
        f1[name] = 2 * hit / (said + is_)
    by_class = both.group_by("class").agg(pl.col("amount").sum())
    by_truth = both.group_by("true").agg(pl.col("amount").sum())
    compared = by_class.join(by_truth, left_on="class", right_on="true", how="full", suffix="_true")
    error = compared.select((pl.col("amount").fill_null(0) - pl.col("amount_true").fill_null(0)).abs().sum()).item()
    return Grade(precision, recall, f1, Decimal(error or 0))
