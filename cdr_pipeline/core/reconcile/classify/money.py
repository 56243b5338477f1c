"""What the carrier should have charged for each pair, and whether it did."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.inputs.calls import Flags, Rows
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.rates import UNITS, Integers, billed_seconds, units
from cdr_pipeline.core.reconcile.inputs.tariff import Tariff
from cdr_pipeline.core.reconcile.match.lengths import LengthGap


@dataclass(frozen=True, slots=True)
class MoneyGap:
    """How the money of pairs differs; one value a pair, units of 1e-8.

    Attributes:
        expected: what it should have been.
        known: whether anything is expected, and an amount is there to compare it with.
        difference: carrier less expected; 0 where nothing is known.
        exact: no difference, or nothing to compare.
        within: inside tolerance, or what follows from the carrier's own length; exact ones included.
        foreign: the currencies differ, so that no difference can be told.
    """

    expected: Integers
    known: Flags
    difference: Integers
    exact: Flags
    within: Flags
    foreign: Flags


def money_gap(it: Comparison, rows_a: Rows, rows_b: Rows, gap: LengthGap) -> MoneyGap:
    """Compares the carrier's amounts with those of the rate card, or of the switch.

    An amount that is right for the length which the carrier measured is no cost break: if that length is wrong, the
    length is the break. Without a card and without amounts of the switch, the carrier's own price for its own length
    says what the switch's length would have cost.

    Args:
        it: the two sides, with tariff and rules.
        rows_a: the switch's row of each pair.
        rows_b: the carrier's.
        gap: how their lengths differ.
    """
    switch, carrier, tariff, rules = it.switch, it.carrier, it.tariff, it.rules
    tolerance = units(rules.amount_tolerance)
    charged, priced = carrier.amount[rows_b], carrier.priced[rows_b]
    switch_ms, carrier_ms = switch.duration_ms[rows_a], carrier.duration_ms[rows_b]
    rated = tariff.rated(rows_a)
    steps = tariff.steps(rows_a)
    ours = billed_seconds(switch_ms, *steps)
    theirs = billed_seconds(carrier_ms, *steps)
    if rules.rate_card is not None:
        expected = tariff.price(rows_a, switch_ms)
        for_their_length = tariff.price(rows_a, carrier_ms)
        known = priced & rated
        foreign = known & (carrier.currency[rows_b] != _currency(tariff, rows_a))
        near = np.zeros(len(rows_a), np.int64)
    else:
        compared = switch.priced[rows_a] & rules.compare_amounts
        expected = np.where(compared, switch.amount[rows_a], _share(charged, ours, theirs))
        expected = np.where(gap.exact & ~compared, charged, expected)
        for_their_length = np.where(compared, _share(expected, theirs, ours), charged)
        known = priced & (compared | ~gap.within)
        foreign = priced & compared & (carrier.currency[rows_b] != switch.currency[rows_a])
        near = np.where(compared & ~gap.exact, UNITS // 10**rules.rounding_places, 0)
    difference = np.where(known & ~foreign, charged - expected, 0)
    follows = ~gap.exact & (np.abs(charged - for_their_length) <= tolerance + near)
    exact = ~foreign & ((difference == 0) | ~known)
    within = ~foreign & (exact | (np.abs(difference) <= tolerance) | follows)
    return MoneyGap(expected, known, difference, exact, within, foreign)


def _currency(tariff: Tariff, rows: Rows) -> npt.NDArray[np.int64]:
    return tariff.currency[-1:] if tariff.rate is None else tariff.currency[tariff.rate[rows]]


def _share(amount: Integers, wanted: Integers, known: Integers) -> Integers:
    """Amount of ``known`` seconds for ``wanted`` ones, rounded to the unit."""
    base = np.maximum(known, 1)
    whole, rest = np.divmod(amount, base)
    return np.where(known > 0, whole * wanted + (rest * wanted + base // 2) // base, 0)
