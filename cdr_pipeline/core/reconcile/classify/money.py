"""Expected amount of each pair, and its difference from what the carrier charged."""

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
    """Differences of money, one value per pair, in units of 1e-8.

    Attributes:
        expected: what the carrier should have charged.
        comparable: whether there is both an expected amount and a charge.
        difference: charge minus expected amount; 0 if they are not comparable.
        exact: no difference, or not comparable.
        within: within tolerance, or correct for the carrier's own length; includes exact ones.
        foreign: the currencies differ, so there is no difference.
        no_price: the carrier charges the call, and there is no agreed price.
        no_amount: the carrier's record is billed and has no amount.
        agreed: whether ``expected`` follows from an agreed price or the switch's price.
    """

    expected: Integers
    comparable: Flags
    difference: Integers
    exact: Flags
    within: Flags
    foreign: Flags
    no_price: Flags
    no_amount: Flags
    agreed: Flags

    @property
    def unpriced(self) -> Flags:
        """The charge cannot be verified."""
        return self.no_price | self.no_amount


def money_gap(comparison: Comparison, rows_a: Rows, rows_b: Rows, gap: LengthGap) -> MoneyGap:
    """Compares the carrier's amounts with those of the rate card, or of the switch.

    An amount that is right for the length that the carrier measured is not a cost break: if that length is wrong, the
    length is the break. Without a card and without amounts of the switch, the expected amount is the carrier's charge
    prorated to the switch's length.

    Args:
        comparison: the two sides with tariff and rules.
        rows_a: the switch's row of each pair.
        rows_b: the carrier's row of each pair.
        gap: differences of their lengths.
    """
    switch, carrier, tariff, rules = comparison.switch, comparison.carrier, comparison.tariff, comparison.rules
    tolerance = units(rules.amount_tolerance)
    charged, priced = carrier.amount[rows_b], carrier.priced[rows_b]
    switch_ms, carrier_ms = switch.duration_ms[rows_a], carrier.duration_ms[rows_b]
    rated = tariff.rated(rows_a)
    steps = tariff.steps(rows_a)
    switch_seconds = billed_seconds(switch_ms, *steps)
    carrier_seconds = billed_seconds(carrier_ms, *steps)
    if rules.rate_card is not None:
        expected = tariff.price(rows_a, switch_ms)
        for_carrier_length = tariff.price(rows_a, carrier_ms)
        comparable = priced & rated
        foreign = comparable & (carrier.currency[rows_b] != _currency(tariff, rows_a))
        rounding_margin = np.zeros(len(rows_a), np.int64)
        agreed, no_price, no_amount = rated, ~rated, ~priced
    else:
        compared = switch.priced[rows_a] & rules.compare_amounts
        expected = np.where(compared, switch.amount[rows_a], _prorated(charged, switch_seconds, carrier_seconds))
        expected = np.where(gap.exact & ~compared, charged, expected)
        for_carrier_length = np.where(compared, _prorated(expected, carrier_seconds, switch_seconds), charged)
        comparable = priced & (compared | ~gap.within)
        foreign = priced & compared & (carrier.currency[rows_b] != switch.currency[rows_a])
        rounding_margin = np.where(compared & ~gap.exact, UNITS // 10**rules.rounding_places, 0)
        agreed = compared
        # Where the switch has no prices at all, no charge is compared; a finding of the day reports it.
        has_prices = rules.compare_amounts and bool(switch.priced.any())
        no_price = has_prices & priced & (charged != 0) & ~compared
        no_amount = ~priced & (rules.compare_amounts and bool(carrier.priced.any()))
    billed = carrier.billable[rows_b]
    difference = np.where(comparable & ~foreign, charged - expected, 0)
    fits_carrier_length = ~gap.exact & (np.abs(charged - for_carrier_length) <= tolerance + rounding_margin)
    exact = ~foreign & ((difference == 0) | ~comparable)
    within = ~foreign & (exact | (np.abs(difference) <= tolerance) | fits_carrier_length)
    return MoneyGap(
        expected, comparable, difference, exact, within, foreign, no_price & billed, no_amount & billed, agreed
    )


def _currency(tariff: Tariff, rows: Rows) -> npt.NDArray[np.int64]:
    return tariff.currency[-1:] if tariff.rate is None else tariff.currency[tariff.rate[rows]]


def _prorated(amount: Integers, seconds: Integers, charged_seconds: Integers) -> Integers:
    """Amount for ``seconds``, prorated from the amount for ``charged_seconds`` seconds; rounded to the unit."""
    base = np.maximum(charged_seconds, 1)
    quotient, remainder = np.divmod(amount, base)
    return np.where(charged_seconds > 0, quotient * seconds + (remainder * seconds + base // 2) // base, 0)
