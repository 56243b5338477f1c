"""Verdict on the outcomes of a day: provisional or final, green or red, with findings as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import polars as pl

from cdr_pipeline.core.reconcile.classify.classes import NOT_CHARGED, Cause, MatchClass
from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules
from cdr_pipeline.core.reconcile.result.outcomes import at_risk, currency_of_outcome

_PER_CENT: Final = Decimal(100)
_OTHER_PRICE: Final = [MatchClass.COST_MISMATCH.value, MatchClass.BOTH_MISMATCH.value]
# Fewest calls for a statement about most of them.
_ENOUGH_CALLS: Final = 20
_MOST_NAMED: Final = 10
_HOUR: Final = timedelta(hours=1)
_UNPRICED: Final = {
    Cause.NO_PRICE: "no price in the rate card",
    Cause.NO_AMOUNT: "the record has no amount",
}


@dataclass(frozen=True, slots=True)
class VerdictTotals:
    """Totals of the billable records of one side; amount is None if no record has one."""

    rows: int
    seconds: Decimal
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on a day.

    Attributes:
        status: ``provisional`` while records may be missing on either side, otherwise ``final``.
        light: ``red`` if breaks or money at risk exceed the tolerances of the carrier's rules, otherwise ``green``.
        findings: reasons and warnings as text; contains no personal data.
        switch, carrier: totals of the sides.
        breaks: number of outcomes that need a decision.
        exposure: money at risk in the day's currency only, as the totals.
        unverified: whether lines cannot be read, or charges are not compared at all: no decision about a break settles
            the day.
    """

    status: str
    light: str
    findings: tuple[str, ...]
    switch: VerdictTotals
    carrier: VerdictTotals
    breaks: int
    exposure: Decimal
    unverified: bool = False


def judge(
    outcomes: pl.DataFrame,
    rules: CarrierRules,
    *,
    currency: str,
    complete: bool,
    offset: Mapping[str, Any],
    findings: Sequence[str] = (),
    rejected: Sequence[str] = (),
    overdue: bool = False,
) -> Verdict:
    """Judges a day.

    Args:
        outcomes: ``OUTCOME_SCHEMA`` of the day.
        rules: tolerances of the carrier.
        currency: currency of the day; money in others is judged separately, named in a finding and never added.
        complete: whether the whole day has been collected from the switch.
        offset: the row of ``Reconciled.offset``.
        findings: ``Reconciled.findings``.
        rejected: findings about lines that cannot be read. Their calls and charges are unknown: no decision about a
            break settles the day.
        overdue: whether the time in which late records of the carrier may arrive has passed: a day without any is red.
    """
    switch_totals, carrier_totals = _side(outcomes, "switch", currency), _side(outcomes, "carrier", currency)
    breaks = int(outcomes["is_break"].sum())
    at_stake = _at_stake(outcomes, currency)
    exposure = at_stake[currency][0]
    uncovered = outcomes.filter(pl.col("class") == MatchClass.OUT_OF_INTERVAL.value).height
    calls = outcomes.height - outcomes.filter(pl.col("class") == MatchClass.UNBILLABLE.value).height
    no_record = not carrier_totals.rows and bool(calls)
    reasons_provisional = {
        "the day has not been completely collected from the switch yet": not complete,
        f"no record of the carrier for this day has come yet: {_owed(outcomes)}": no_record and not overdue,
        f"{records_of(uncovered)} at times that the other side's records do not cover": bool(
            carrier_totals.rows and uncovered
        ),
    }
    reasons_red = {
        f"money at risk{f' in {unit}' if unit != currency else ''} is {_share(risk, charged):.2f} % of what the "
        f"carrier charges; the limit is {rules.tolerated_exposure_share * _PER_CENT:.2f} %": (
            _share(risk, charged) > rules.tolerated_exposure_share * _PER_CENT
        )
        for unit, (risk, charged) in at_stake.items()
    }
    reasons_red |= {
        f"no record of the carrier for this day has come in {_days(rules.lateness_days)}: {_owed(outcomes)}": (
            no_record and overdue
        ),
        f"breaks are {_share(Decimal(breaks), Decimal(calls)):.2f} % of the calls; "
        f"the limit is {rules.tolerated_break_share * _PER_CENT:.2f} %": (
            _share(Decimal(breaks), Decimal(calls)) > rules.tolerated_break_share * _PER_CENT
        ),
    }
    unverified = dict.fromkeys(rejected, True) | _never_compared(outcomes, rules, currency)
    reasons_red = unverified | reasons_red | _unpriced(outcomes)
    price_breaks = outcomes["class"].is_in(_OTHER_PRICE).sum()
    warnings = {
        f"{charged or 0:.4f} {unit} charged and {risk:.4f} {unit} at risk in another currency: not in the totals": bool(
            risk or charged
        )
        for unit, (risk, charged) in at_stake.items()
        if unit != currency
    }
    warnings |= {
        "most prices differ from the switch's: if the switch has the prices that customers pay, set "
        "compare_amounts = false or rate_card in the profile": (
            rules.compare_amounts and not rules.rate_card and 2 * price_breaks > calls and calls >= _ENOUGH_CALLS
        )
    }
    texts = [text for text, applies in (reasons_red | reasons_provisional | warnings).items() if applies]
    if offset["finding"]:
        texts.append(str(offset["finding"]))
    texts += _empty_hours(outcomes)
    texts += [*_explained(outcomes), *_without_call(outcomes), *findings]
    return Verdict(
        status="provisional" if any(reasons_provisional.values()) else "final",
        light="red" if any(reasons_red.values()) else "green",
        findings=tuple(texts),
        switch=switch_totals,
        carrier=carrier_totals,
        breaks=breaks,
        exposure=exposure,
        unverified=any(unverified.values()),
    )


def _unpriced(outcomes: pl.DataFrame) -> dict[str, bool]:
    """Charges that cannot be verified: a reason for red, even for the smallest amount."""
    of_class = pl.col("class") == MatchClass.UNPRICED.value
    unpriced = outcomes.filter(of_class)
    reasons: dict[str, bool] = {}
    for cause, words in _UNPRICED.items():
        of_cause = unpriced.filter(pl.col("cause") == cause.value)
        reasons[f"{calls_of(of_cause.height)} of {money_of(of_cause)}: {words}: {_destinations(of_cause)}"] = bool(
            of_cause.height
        )
    return reasons


def _never_compared(outcomes: pl.DataFrame, rules: CarrierRules, currency: str) -> dict[str, bool]:
    """Nothing verifies the charges of the day: red without a break that can be decided."""
    never_compared = (
        rules.compare_amounts and not rules.rate_card and outcomes["switch_amount"].null_count() == outcomes.height
    )
    charged = outcomes.select(pl.col("carrier_amount").sum()).item() or Decimal(0)
    text = (
        f"{charged:.4f} {currency} charged and not verified: no rate card, and the switch has no prices; give the"
        " profile a rate_card, or set compare_amounts = false to compare calls and lengths only"
    )
    return {text: never_compared and charged > 0}


def _explained(outcomes: pl.DataFrame) -> list[str]:
    """One finding per cause: number of calls, and money charged too much and too little; most calls first."""
    named = outcomes.filter(pl.col("cause").is_not_null(), pl.col("class") != MatchClass.UNPRICED.value)
    groups = (
        named.group_by("cause", pl.col("detail").fill_null(""), currency_of_outcome().alias("unit"))
        .agg(
            calls=pl.len(),
            over=pl.col("exposure").clip(lower_bound=0).sum(),
            under=pl.col("exposure").clip(upper_bound=0).sum().abs(),
        )
        .sort(["calls", "cause", "detail", "unit"], descending=[True, False, False, False])
    )
    return [
        f"{cause.replace('_', ' ')}{f' {detail}' if detail else ''}: {calls_of(calls)}, {over:.4f} {unit} too much"
        + (f", {under:.4f} {unit} too little" if under else "")
        for cause, detail, unit, calls, over, under in groups.head(_MOST_NAMED).rows()
    ]


def _empty_hours(outcomes: pl.DataFrame) -> list[str]:
    """Hours in which the carrier has none of the switch's calls, and what we will owe for them."""
    hours = (
        outcomes.filter(pl.col("class") != MatchClass.UNBILLABLE.value)
        .group_by(pl.col("started_at").dt.truncate("1h").alias("hour"))
        .agg(
            charged=pl.col("carrier_record_id").count(),
        )
        .sort("hour")
    )
    if not hours["charged"].sum():
        return []
    ranges: list[list[datetime]] = []
    for (hour,) in hours.filter(pl.col("charged") == 0).select("hour").rows():
        if ranges and hour - ranges[-1][1] <= _HOUR:
            ranges[-1][1] = hour
        else:
            ranges.append([hour, hour])
    started = pl.col("started_at")
    named = [
        f"{begin:%m-%d %H:%M} to {last + _HOUR:%H:%M}"
        f" ({_owed(outcomes.filter(started.is_between(begin, last + _HOUR, closed='left')))})"
        for begin, last in ranges
    ]
    return [f"the carrier has no call in these hours, UTC: {', '.join(named)}"] if named else []


def _owed(outcomes: pl.DataFrame) -> str:
    """The switch's calls that the carrier has not charged, and their agreed price by currency."""
    calls = outcomes.filter(
        pl.col("class").is_in([item.value for item in NOT_CHARGED]), pl.col("switch_record_id").is_not_null()
    )
    priced = calls.drop_nulls("expected_amount")
    sums = priced.group_by(currency_of_outcome().alias("unit")).agg(pl.col("expected_amount").sum()).sort("unit")
    parts = [calls_of(calls.height), *(f"{amount:.4f} {unit} to accrue" for unit, amount in sums.rows())]
    unknown = calls.height - priced.height
    return ", ".join([*parts, *([f"{unknown if parts[1:] else 'all'} without an agreed price"] if unknown else [])])


def _without_call(outcomes: pl.DataFrame) -> list[str]:
    """Credits and charges without a call: they are in the totals, and no call is compared with them."""
    findings: list[str] = []
    for item, words in (
        (MatchClass.OTHER_CHARGE, "fees and credits without a call"),
        (MatchClass.CREDITED, "credited"),
    ):
        of_class = outcomes.filter(pl.col("class") == item.value)
        if of_class.height:
            findings.append(f"{words}: {records_of(of_class.height)}, {money_of(of_class)} in all")
    return findings


def calls_of(count: int) -> str:
    """A number of calls in words."""
    return f"{count} call{'' if count == 1 else 's'}"


def _days(count: int) -> str:
    """A number of days in words."""
    return f"{count} day{'' if count == 1 else 's'}"


def records_of(count: int) -> str:
    """A number of records in words."""
    return f"{count} record{'' if count == 1 else 's'}"


def money_of(outcomes: pl.DataFrame) -> str:
    """What the carrier charges for outcomes, by currency."""
    sums = outcomes.group_by(currency_of_outcome().alias("unit")).agg(pl.col("carrier_amount").sum()).sort("unit")
    return ", ".join(f"{amount or 0:.4f} {unit}".strip() for unit, amount in sums.rows()) or "0"


def _destinations(outcomes: pl.DataFrame) -> str:
    """Destinations with their numbers of calls, the largest first."""
    counts = outcomes.group_by("destination").len().sort(["len", "destination"], descending=[True, False])
    named = [f"{name or 'unknown'} ({count})" for name, count in counts.head(_MOST_NAMED).rows()]
    return ", ".join([*named, *(["..."] if counts.height > _MOST_NAMED else [])])


def _side(outcomes: pl.DataFrame, side: str, currency: str) -> VerdictTotals:
    billable = pl.col("class") != MatchClass.UNBILLABLE.value
    of_side = outcomes.filter(pl.col(f"{side}_record_id").is_not_null(), billable)
    switch_totals = of_side.filter(pl.col(f"{side}_currency").fill_null("") == currency)
    priced = switch_totals[f"{side}_amount"].count() > 0
    amount = switch_totals.select(pl.col(f"{side}_amount").sum()).item()
    return VerdictTotals(
        of_side.height, of_side.select(pl.col(f"{side}_seconds").sum()).item(), amount if priced else None
    )


def _at_stake(outcomes: pl.DataFrame, currency: str) -> dict[str, tuple[Decimal, Decimal | None]]:
    """Money at risk and total charge of the carrier by currency; the day's currency first."""
    billable = outcomes.filter(pl.col("class") != MatchClass.UNBILLABLE.value)
    by_currency = (
        billable.group_by(currency_of_outcome().alias("currency"))
        .agg(at_risk().filter("is_break").sum(), pl.col("carrier_amount").sum().alias("charged"))
        .sort("currency")
    )
    by_unit = {unit: (risk or Decimal(0), charged or None) for unit, risk, charged in by_currency.rows()}
    return {currency: by_unit.pop(currency, (Decimal(0), None))} | by_unit


def _share(part: Decimal, total: Decimal | None) -> Decimal:
    """Percentage; 100 if the total is missing or 0."""
    if not part:
        return Decimal(0)
    return part / total * _PER_CENT if total else _PER_CENT
