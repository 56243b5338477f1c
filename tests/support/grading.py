"""How good a reconciliation is, against the truth."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cdr_pipeline.core.reconcile.result.reconciled import Reconciled
from tests.support.known_truth import MIDNIGHT, Faults, KnownTruth, billed


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


def tied_rows(
    found: pl.DataFrame, truth: pl.DataFrame, switch: pl.DataFrame, carrier: pl.DataFrame, faults: Faults
) -> pl.DataFrame:
    """Rows that were paired otherwise than in truth, and whether anything that the sides write speaks for the truth.

    Rows that hang together by pairs found and true ones are one question. It is tied when the answer found has no
    fewer pairs of agreeing length, no more of other length and, where it has as many pairs, times that lie no farther
    apart: whatever weighs these prefers it, so that no method could tell.

    Args:
        found, truth: ``switch_row_id, carrier_row_id``.
        switch, carrier: ``row_id, started_at, duration_ms``.
        faults: of the making; the true clock is given.

    Returns:
        ``row_id, tied``.
    """
    keys = ["switch_row_id", "carrier_row_id"]
    found, truth = found.select(keys), truth.select(keys)
    wrong = found.join(truth, on=keys, how="anti").with_columns(is_true=pl.lit(value=False))
    lost = truth.join(found, on=keys, how="anti").with_columns(is_true=pl.lit(value=True))
    places = ("row_id", pl.col("started_at").dt.epoch("ms").alias("at"), "duration_ms")
    edges = (
        pl.concat([wrong, lost])
        .join(switch.select(places), left_on="switch_row_id", right_on="row_id")
        .join(carrier.select(places), left_on="carrier_row_id", right_on="row_id", suffix="_b")
    )
    rows = pl.concat([edges[key] for key in keys]).unique().sort()
    if rows.is_empty():
        return pl.DataFrame(schema={"row_id": pl.String, "tied": pl.Boolean})
    one, other = (rows.search_sorted(edges[key]).to_numpy() for key in keys)
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(len(rows), len(rows)))
    _, label = connected_components(graph, directed=False)
    length, theirs = edges["duration_ms"].to_numpy(), edges["duration_ms_b"].to_numpy() / 1_000
    least = billed(np.maximum(length - 2_000, 1), faults.increment)
    agrees = (theirs >= least) & (theirs <= billed(length + 2_000, faults.increment))
    ctx = edges["at"].to_numpy()
    drifted = faults.offset_ms + (ctx - MIDNIGHT) * faults.drift_ppm * 1e-6
    apart = (edges["at_b"].to_numpy() - ctx - drifted) ** 2
    questions = (
        edges.with_columns(question=pl.Series(label[one]), agrees=pl.Series(agrees), apart=pl.Series(apart))
        .group_by("question", "is_true")
        .agg(pl.len().alias("pairs"), pl.col("agrees").sum(), pl.col("apart").sum())
    )
    ours, true = (questions.filter(pl.col("is_true") == which).drop("is_true") for which in (False, True))
    both = ours.join(true, on="question", how="full", suffix="_true", coalesce=True).fill_null(0)
    other_length = pl.col("pairs").cast(pl.Int64) - pl.col("agrees").cast(pl.Int64)
    other_length_true = pl.col("pairs_true").cast(pl.Int64) - pl.col("agrees_true").cast(pl.Int64)
    tied = (
        (pl.col("agrees") >= pl.col("agrees_true"))
        & (other_length <= other_length_true)
        & ((pl.col("pairs") != pl.col("pairs_true")) | (pl.col("apart") <= pl.col("apart_true")))
    )
    return pl.DataFrame({"row_id": rows, "question": label.astype(np.int64)}).join(
        both.select(pl.col("question").cast(pl.Int64), tied=tied), on="question"
    ).select("row_id", "tied")  # fmt: skip
