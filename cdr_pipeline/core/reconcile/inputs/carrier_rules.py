"""Section ``[reconcile]`` of an import profile, and its conversion to the rules of the matcher."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final

import polars as pl
from pydantic import ConfigDict

from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.reconcile.inputs.legs import Direction, LegRule, is_billable_leg
from cdr_pipeline.core.reconcile.inputs.rates import Increment, RateCard, RoundingMode
from cdr_pipeline.core.reconcile.inputs.rules import CallerUse, Rules
from cdr_pipeline.core.reconcile.inputs.sides import Clock, NumberRules
from cdr_pipeline.core.uploads.profile_values import STRICT, Number, Texts

_MILLISECONDS: Final = 1_000
# At least seven digits: shorter numbers are extensions. National numbers of an unknown country are included.
_NO_EXTENSION: Final = r"^[^@]*(?:[0-9][^0-9@]*){7}"
_PRECISION_MS: Final[Mapping[str, int]] = {"minute": 60_000}


@dataclass(frozen=True, slots=True)
class CarrierRules:
    """How a profile's records are reconciled.

    Attributes:
        carrier: value of the field ``carrier`` that these rules apply to; empty for the records of this profile.
        direction: legs that the carrier bills: outbound (it terminates our calls), inbound (it delivers calls) or any.
        trunks: values of trunk, resource_id or authorizing_id of the carrier's legs; if empty, every leg to or from
            an outside number.
        nightly: reconcile every night; false for systems that are not carriers, which are compared on request only.
        clock: time to compare: of the answer, or of the start if the carrier has no other.
        window_seconds: largest difference between the times of one call, after the clock offset is removed.
        fallback_seconds: the same for rows that are still unpaired; such pairs are time breaks.
        reach_hours: hours beyond the day's edges in which records are considered (wrong zone, end instead of start).
        duration_tolerance_seconds: difference of duration that is not a break.
        amount_tolerance: difference of a call's price that is not a break.
        compare_amounts: without a rate card, compare the carrier's charges with the switch's prices. Set false if those
            are what customers pay.
        increments: billing increments as ``first/next`` in seconds, such as 60/6; if empty, those of ``[rating]``.
        places: decimals of a call's price.
        rounding: how a price with more decimals is rounded.
        rate_card: name of a CSV file in the folder of the profiles with the prices that the carrier should charge.
        free_destinations: names of destinations that cost nothing.
        offset_seconds: carrier's clock minus the switch's, if known; otherwise estimated from the calls.
        caller: whether the caller must agree: required, optional (callers that agree with the switch's on almost no
            call are left out) or ignored.
        digits: last digits of numbers that are compared; 0 for whole numbers.
        remove_prefixes: regular expressions of beginnings of numbers that are removed, such as technical prefixes.
        translate: numbers as the carrier writes them, to the numbers that the switch has, such as toll-free numbers.
        withheld: regular expressions of texts for withheld callers, in lower case, in addition to the built-in rules.
        tolerated_exposure_share: money at risk, as a share of what the carrier charges, above which a day is red.
        tolerated_break_share: breaks, as a share of the calls, above which a day is red.
        lateness_days: days after a day in which late records may arrive and the day is reconciled again.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    carrier: str = ""
    direction: Direction = "outbound"
    trunks: Texts = ()
    nightly: bool = True
    clock: Clock = "answer"
    window_seconds: int = 30
    fallback_seconds: int = 120
    reach_hours: int = 26
    duration_tolerance_seconds: int = 2
    amount_tolerance: Number = Decimal(0)
    compare_amounts: bool = True
    increments: str = ""
    places: int = 4
    rounding: RoundingMode = "half_up"
    rate_card: str = ""
    free_destinations: Texts = ()
    offset_seconds: int | None = None
    caller: CallerUse = "optional"
    digits: int = 0
    remove_prefixes: Texts = ()
    translate: Mapping[str, str] = field(default_factory=dict[str, str])
    withheld: Texts = ()
    tolerated_exposure_share: Number = Decimal("0.01")
    tolerated_break_share: Number = Decimal("0.05")
    lateness_days: int = 7


def is_compared(carrier: CarrierRules) -> pl.Expr:
    """Whether one of the switch's records (canonical columns) is a leg that the carrier bills; never null."""
    billable = is_billable_leg(LegRule(carrier.direction, frozenset(carrier.trunks)))
    if carrier.trunks:
        return billable
    leaves = (pl.col("call_direction") == "outbound").fill_null(value=False)
    public = pl.col("callee_e164").is_not_null() | pl.col("callee_id_number").str.contains(_NO_EXTENSION)
    return billable & (~leaves | public.fill_null(value=False))


def matching_rules(
    carrier: CarrierRules,
    *,
    increment: Increment,
    currency: str,
    precision: str,
    rate_card: RateCard | None = None,
    interval: tuple[datetime, datetime] | None = None,
) -> Rules:
    """The matcher's rules for a carrier.

    Args:
        carrier: section ``[reconcile]`` of the profile.
        increment: billing steps, as returned by ``billing_steps``.
        currency: currency of amounts that name none, ISO 4217.
        precision: step of the carrier's clock, as in ``Profile.time_precision``.
        rate_card: prices that the carrier should charge on the day, if known.
        interval: half-open UTC interval whose rows are classified.
    """
    return Rules(
        window_ms=carrier.window_seconds * _MILLISECONDS,
        fallback_window_ms=carrier.fallback_seconds * _MILLISECONDS,
        duration_tolerance_ms=carrier.duration_tolerance_seconds * _MILLISECONDS,
        amount_tolerance=carrier.amount_tolerance,
        number_window_ms=carrier.reach_hours * 3600 * _MILLISECONDS,
        increment=increment,
        precision_ms=_PRECISION_MS.get(precision, 0),
        currency=currency,
        compare_amounts=carrier.compare_amounts,
        rate_card=rate_card,
        rounding_places=carrier.places,
        free_destinations=frozenset(carrier.free_destinations),
        offset_ms=None if carrier.offset_seconds is None else carrier.offset_seconds * _MILLISECONDS,
        interval=interval,
        caller=carrier.caller,
        digits=carrier.digits,
    )


def number_rules(carrier: CarrierRules, plan: NumberPlan) -> NumberRules:
    """How the carrier's numbers are rewritten before they are compared.

    Args:
        carrier: section ``[reconcile]`` of the profile.
        plan: number plan of the profile.
    """
    return NumberRules(carrier.remove_prefixes, carrier.translate, carrier.withheld, plan)


def billing_steps(carrier: CarrierRules, *, increment_seconds: int, minimum_seconds: int) -> Increment:
    """Billing steps: those of the section, otherwise those of ``[rating]``, otherwise one second.

    Raises:
        ValueError: ``increments`` is not two integers above 0 separated by a slash.
    """
    if not carrier.increments:
        following = increment_seconds or 1
        return Increment(minimum_seconds or following, following)
    first, _, following = carrier.increments.partition("/")
    if not (first.isdecimal() and following.isdecimal() and int(first) and int(following)):
        raise ValueError("increments are written first/next in seconds, such as 60/6")
    return Increment(int(first), int(following))
