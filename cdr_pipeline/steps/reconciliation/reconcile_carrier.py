"""Reconciles one carrier's day of one account: reads both sides, compares them, judges the result and stores it."""

import hashlib
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final

import orjson
import polars as pl

from cdr_pipeline import __version__
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.reconcile.clock.repeated_hour import settle_repeated_hour
from cdr_pipeline.core.reconcile.inputs.carrier_rules import billing_steps, is_compared, matching_rules, number_rules
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.sides import carrier_side, switch_side
from cdr_pipeline.core.reconcile.reconcile import reconcile
from cdr_pipeline.core.reconcile.result.money_totals import (
    RejectedCharges,
    finding_of_rejected,
    totals_of_rejected,
)
from cdr_pipeline.core.reconcile.result.outcomes import outcomes_of, require_every_leg, totals_of
from cdr_pipeline.core.reconcile.result.verdict import Verdict, judge
from cdr_pipeline.core.uploads.profile import ACCOUNT_ZONE, Profile
from cdr_pipeline.sources.rate_cards import read_rate_card
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.reconciliation.versions import (
    CarrierDay,
    InputHashes,
    ReconciliationVersion,
    StoredVersion,
    TimeRange,
)

# The first four digits identify a destination where no rate card does, and do not identify a subscriber.
_DESTINATION: Final = r"^(\+[0-9]{4})"


def reconcile_carrier(
    day: CarrierDay, account: Account, profile: Profile, ledger: Ledger, ctx: RunContext
) -> StoredVersion:
    """Compares the switch's legs with the carrier's records, unless the same inputs were compared before.

    A pair belongs to the day of its leg. A record without a partner belongs to the day of its start, by aligned clocks.

    Args:
        day: account, carrier and business date.
        account: account that owns the records.
        profile: profile whose section ``[reconcile]`` applies.
        ledger: ledger of the warehouse.
        ctx: settings, warehouse, clock and progress callback.

    Raises:
        InvalidRateCard: the rate card of the carrier is invalid.
        UnbalancedReconciliation: a row is not in exactly one class; nothing was written.
    """
    rules = _rules(account, profile, ctx)
    # The change counter is read before the records, so that a change in between makes the day due again.
    seen, through = ledger.reconciliations.day_state(day.account_id, day.business_date)
    starts_at, ends_at = account.zones.bounds(day.business_date)
    complete = through is not None and through >= ends_at
    legs, records = ledger.versions.compared_records(day, _span(day, account, profile))
    legs = legs.filter(is_compared(profile.reconcile))
    rejected = ledger.versions.rejected_charges(day)
    late = ctx.clock() - ends_at > timedelta(days=profile.reconcile.lateness_days)
    overdue = late and not (records["business_date"] == day.business_date).any()
    basis = InputHashes(
        _hash_of(legs, records, rejected, complete=complete, overdue=overdue),
        _hash_of_rules(rules, profile),
        __version__,
    )
    before = ledger.versions.newest(day)
    if before is not None and before.version.basis == basis:
        return before
    ours, theirs = (
        switch_side(legs, clock=profile.reconcile.clock, ringing=True),
        carrier_side(
            records,
            clock=profile.reconcile.clock,
            numbers=number_rules(profile.reconcile, _plan(profile, account)),
        ),
    )
    if profile.time_notation == "local" and not profile.zone_column:
        theirs = settle_repeated_hour(theirs, ours, _zone(profile, account))
    # Names of the switch's tariff would split the totals; a paired record has the destination of its leg.
    ours = ours.with_columns(destination=pl.lit(None, pl.String))
    reconciled = reconcile(_with_destinations(ours), _with_destinations(theirs), rules)
    outcomes = outcomes_of(reconciled, legs, records)
    of_the_day = (
        pl.when(pl.col("switch_date").is_not_null())
        .then(pl.col("switch_date") == day.business_date)
        .otherwise((pl.col("started_at") >= starts_at) & (pl.col("started_at") < ends_at))
    )
    currency = _currency(profile, records, legs)
    named = pl.col("switch_currency", "carrier_currency", "agreed_currency").replace("", currency)
    outcomes = outcomes.filter(of_the_day).with_columns(named)
    require_every_leg(
        outcomes,
        legs.filter(pl.col("business_date") == day.business_date),
        f"{day.carrier}, {day.business_date}",
    )
    offset = reconciled.offset.row(0, named=True)
    verdict = judge(
        outcomes,
        profile.reconcile,
        currency=currency,
        complete=complete,
        offset=offset,
        findings=reconciled.findings,
        rejected=finding_of_rejected(rejected, currency),
        overdue=overdue,
    )
    version = _version(verdict, basis, outcomes, offset)
    version["totals"] += totals_of_rejected(rejected, currency)
    return ledger.versions.write(
        day,
        ReconciliationVersion(**version, profile=profile.name, currency=currency, seen_changes=seen),
        outcomes,
        now=ctx.clock(),
        run_id=ctx.run_id,
    )


def _span(day: CarrierDay, account: Account, profile: Profile) -> TimeRange:
    starts_at, ends_at = account.zones.bounds(day.business_date)
    reach = timedelta(hours=profile.reconcile.reach_hours)
    days = timedelta(days=reach.days + 1)
    return TimeRange(starts_at - reach, ends_at + reach, day.business_date - days, day.business_date + days)


def _plan(profile: Profile, account: Account) -> NumberPlan:
    plan = profile.plan
    return plan if plan.country_code is not None else replace(plan, country_code=account.country_code)


def _zone(profile: Profile, account: Account) -> str:
    """Zone of the carrier's files and rate card."""
    return account.time_zone if profile.time_zone == ACCOUNT_ZONE else profile.time_zone


def _rules(account: Account, profile: Profile, ctx: RunContext) -> Rules:
    section, rating = profile.reconcile, profile.rating
    steps = billing_steps(section, increment_seconds=rating.increment_seconds, minimum_seconds=rating.minimum_seconds)
    card = None
    if section.rate_card:
        card = read_rate_card(
            ctx.settings.profile_dir / section.rate_card,
            steps=steps,
            currency=profile.currency,
            places=section.places,
            rounding=section.rounding,
            zone=_zone(profile, account),
        )
    return matching_rules(
        section, increment=steps, currency=profile.currency, precision=profile.time_precision, rate_card=card
    )


def _with_destinations(side: pl.DataFrame) -> pl.DataFrame:
    """Adds the beginning of the number as destination where the side names none."""
    prefix = pl.col("callee").str.extract(_DESTINATION, 1).fill_null("other")
    return side.with_columns(pl.coalesce("destination", prefix).alias("destination"))


def _hash_of(
    legs: pl.DataFrame, records: pl.DataFrame, rejected: Sequence[RejectedCharges], *, complete: bool, overdue: bool
) -> str:
    """One hash of all compared records, ordered by id, of rejected lines, and of whether the day is complete."""
    digest = hashlib.sha256(b"complete" if complete else b"incomplete")
    for frame in (legs, records):
        digest.update(frame.select("record_id", "row_digest").write_csv().encode())
    for item in rejected:
        digest.update(f"{item.currency} {item.line_count} {item.priced_count} {item.amount:f}\n".encode())
    if overdue:
        digest.update(b"overdue")
    return digest.hexdigest()


def _hash_of_rules(rules: Rules, profile: Profile) -> str:
    content = orjson.dumps([asdict(rules), asdict(profile.reconcile)], default=_plain, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()


def _plain(value: object) -> object:
    """Makes a value serialisable as JSON: sorts sets, writes decimals as text."""
    return sorted(map(str, value)) if isinstance(value, AbstractSet) else str(value)


def _currency(profile: Profile, *sides: pl.DataFrame) -> str:
    """The day's currency: that of most records of the carrier, else the profile's, else that of most legs."""
    for side in sides:
        counted = side["cost_currency"].drop_nulls().str.to_uppercase().value_counts()
        if counted.height:
            return str(counted.sort(["count", "cost_currency"], descending=[True, False])[0, "cost_currency"])
        if profile.currency:
            break
    return profile.currency


def _version(verdict: Verdict, basis: InputHashes, outcomes: pl.DataFrame, offset: dict[str, Any]) -> dict[str, Any]:
    return {
        **basis._asdict(),
        "status": verdict.status,
        "light": verdict.light,
        "findings": list(verdict.findings),
        "breaks": verdict.breaks,
        "exposure": verdict.exposure,
        "unverified": verdict.unverified,
        **{f"switch_{name}": value for name, value in asdict(verdict.switch).items()},
        **{f"carrier_{name}": value for name, value in asdict(verdict.carrier).items()},
        "offset_status": offset["status"],
        "offset_ms": offset["offset_ms"],
        "drift_ppm": offset["drift_ppm"],
        "spread_ms": offset["spread_ms"],
        "offset_pairs": offset["pairs"],
        "offset_finding": offset["finding"],
        "totals": totals_of(outcomes).to_dicts(),
    }
