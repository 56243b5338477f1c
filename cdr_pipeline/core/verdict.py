"""What a day's outcomes mean: provisional or final, green or red, and what a person should know first."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import polars as pl

from cdr_pipeline.core.carrier_rules import CarrierRules
from cdr_pipeline.core.outcomes import at_risk
from cdr_pipeline.core.reconcile.classes import MatchClass

_PER_CENT: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Totals:
    """One side of a day, what is not billable left out; amount None where none of its records has one."""

    rows: int
    seconds: Decimal
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A day's outcomes, judged.

    Attributes:
        status: ``provisional`` while records may be missing on either side, else ``final``.
        light: ``red`` when breaks or money at risk are above what the carrier's rules tolerate.
        findings: why, and what else a person should know first; no personal data.
        switch, carrier: both sides' totals.
        breaks: outcomes that somebody has to look at.
        exposure: money at risk.
    """

    status: str
    light: str
    findings: tuple[str, ...]
    switch: Totals
    carrier: Totals
    breaks: int
    exposure: Decimal


def judge(outcomes: pl.DataFrame, rules: CarrierRules, *, complete: bool, offset: Mapping[str, Any]) -> Verdict:
    """Judges a day.

    Args:
        outcomes: ``OUTCOME_SCHEMA``, of the day.
        rules: what is tolerated.
        complete: the switch was asked for the whole day.
        offset: the row of ``Reconciled.offset``.
    """
    ours, theirs = _side(outcomes, "switch"), _side(outcomes, "carrier")
    breaks = int(outcomes["is_break"].sum())
    exposure = outcomes.filter("is_break").select(at_risk().sum()).item() or Decimal(0)
    uncovered = outcomes.filter(pl.col("class") == MatchClass.OUT_OF_INTERVAL.value).height
    calls = outcomes.height - outcomes.filter(pl.col("class") == MatchClass.UNBILLABLE.value).height
    late = {
        "the switch has not been asked for the whole day yet": not complete,
        "no record of the carrier for this day has come yet": not theirs.rows and bool(calls),
        f"{uncovered} records are of a time that the other side's records do not cover": bool(
            theirs.rows and uncovered
        ),
    }
    too_much = {
        f"money at risk is {_share(exposure, theirs.amount):.2f} % of what the carrier charges, "
        f"tolerated is {rules.tolerated_exposure_share * _PER_CENT:.2f} %": (
            _share(exposure, theirs.amount) > rules.tolerated_exposure_share * _PER_CENT
        ),
        f"breaks are {_share(Decimal(breaks), Decimal(calls)):.2f} % of the calls, "
        f"tolerated is {rules.tolerated_break_share * _PER_CENT:.2f} %": (
            _share(Decimal(breaks), Decimal(calls)) > rules.tolerated_break_share * _PER_CENT
        ),
    }
    said = [text for text, holds in (too_much | late).items() if holds]
    if offset["finding"]:
        said.append(str(offset["finding"]))
    return Verdict(
        status="provisional" if any(late.values()) else "final",
        light="red" if any(too_much.values()) else "green",
        findings=tuple(said),
        switch=ours,
        carrier=theirs,
        breaks=breaks,
        exposure=exposure,
    )


def _side(outcomes: pl.DataFrame, side: str) -> Totals:
    billable = pl.col("class") != MatchClass.UNBILLABLE.value
    of_side = outcomes.filter(pl.col(f"{side}_record_id").is_not_null(), billable)
    priced = of_side[f"{side}_amount"].count() > 0
    seconds, amount = of_side.select(pl.col(f"{side}_seconds", f"{side}_amount").sum()).row(0)
    return Totals(of_side.height, seconds, amount if priced else None)


def _share(part: Decimal, whole: Decimal | None) -> Decimal:
    """Per cent; of nothing, all."""
    if not part:
        return Decimal(0)
    return part / whole * _PER_CENT if whole else _PER_CENT
