"""What a day's outcomes mean: provisional or final, green or red, and what a person should know first."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import polars as pl

from cdr_pipeline.core.reconcile.classify.classes import MatchClass
from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules
from cdr_pipeline.core.reconcile.result.outcomes import at_risk, currency_of_outcome

_PER_CENT: Final = Decimal(100)
_OTHER_PRICE: Final = [MatchClass.COST_MISMATCH.value, MatchClass.BOTH_MISMATCH.value]
# Of fewer calls nothing is said about most of them.
_ENOUGH_CALLS: Final = 20


@dataclass(frozen=True, slots=True)
class VerdictTotals:
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
        exposure: money at risk, as the totals in the day's currency only.
    """

    status: str
    light: str
    findings: tuple[str, ...]
    switch: VerdictTotals
    carrier: VerdictTotals
    breaks: int
    exposure: Decimal


def judge(
    outcomes: pl.DataFrame, rules: CarrierRules, *, currency: str, complete: bool, offset: Mapping[str, Any]
) -> Verdict:
    """Judges a day.

    Args:
        outcomes: ``OUTCOME_SCHEMA``, of the day.
        rules: what is tolerated.
        currency: of the day; money in others is judged by itself, named in a finding, and never added.
        complete: the switch was asked for the whole day.
        offset: the row of ``Reconciled.offset``.
    """
    ours, theirs = _side(outcomes, "switch", currency), _side(outcomes, "carrier", currency)
    breaks = int(outcomes["is_break"].sum())
    at_stake = _at_stake(outcomes, currency)
    exposure = at_stake[currency][0]
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
        f"money at risk{f' in {unit}' if unit != currency else ''} is {_share(risk, charged):.2f} % of what the "
        f"carrier charges, tolerated is {rules.tolerated_exposure_share * _PER_CENT:.2f} %": (
            _share(risk, charged) > rules.tolerated_exposure_share * _PER_CENT
        )
        for unit, (risk, charged) in at_stake.items()
    }
    too_much |= {
        f"breaks are {_share(Decimal(breaks), Decimal(calls)):.2f} % of the calls, "
        f"tolerated is {rules.tolerated_break_share * _PER_CENT:.2f} %": (
            _share(Decimal(breaks), Decimal(calls)) > rules.tolerated_break_share * _PER_CENT
        ),
    }
    priced_otherwise = outcomes["class"].is_in(_OTHER_PRICE).sum()
    doubtful = {
        f"{charged or 0:.4f} {unit} charged and {risk:.4f} {unit} at risk besides: not added to the totals": bool(
            risk or charged
        )
        for unit, (risk, charged) in at_stake.items()
        if unit != currency
    }
    doubtful |= {
        "most prices are not the switch's: where those are what customers pay, the profile should say "
        "compare_amounts = false or name a rate_card": (
            rules.compare_amounts and not rules.rate_card and 2 * priced_otherwise > calls and calls >= _ENOUGH_CALLS
        )
    }
    said = [text for text, holds in (too_much | late | doubtful).items() if holds]
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


def _side(outcomes: pl.DataFrame, side: str, currency: str) -> VerdictTotals:
    billable = pl.col("class") != MatchClass.UNBILLABLE.value
    of_side = outcomes.filter(pl.col(f"{side}_record_id").is_not_null(), billable)
    ours = of_side.filter(pl.col(f"{side}_currency").fill_null("") == currency)
    priced = ours[f"{side}_amount"].count() > 0
    amount = ours.select(pl.col(f"{side}_amount").sum()).item()
    return VerdictTotals(
        of_side.height, of_side.select(pl.col(f"{side}_seconds").sum()).item(), amount if priced else None
    )


def _at_stake(outcomes: pl.DataFrame, currency: str) -> dict[str, tuple[Decimal, Decimal | None]]:
    """Money at risk, and what the carrier charges in all, by currency; the day's own currency first."""
    billable = outcomes.filter(pl.col("class") != MatchClass.UNBILLABLE.value)
    by_currency = (
        billable.group_by(currency_of_outcome().alias("currency"))
        .agg(at_risk().filter("is_break").sum(), pl.col("carrier_amount").sum().alias("charged"))
        .sort("currency")
    )
    found = {unit: (risk or Decimal(0), charged or None) for unit, risk, charged in by_currency.rows()}
    return {currency: found.pop(currency, (Decimal(0), None))} | found


def _share(part: Decimal, whole: Decimal | None) -> Decimal:
    """Per cent; of nothing, all."""
    if not part:
        return Decimal(0)
    return part / whole * _PER_CENT if whole else _PER_CENT
