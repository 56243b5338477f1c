"""Causes of wrong amounts: the single change of the rate card that explains an amount to the last digit.

One call may fit a change by chance, so the calls of a rate are examined together: the change that explains most of
them is their cause. The calls that it does not explain are examined again.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.classify.classes import Cause, code_of
from cdr_pipeline.core.reconcile.inputs.calls import Flags, Rows
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.rates import Integers, RateCard, RoundingMode, billed_seconds, price
from cdr_pipeline.core.reconcile.inputs.tariff import Tariff

_INCREMENTS: Final = (
    (1, 1), (6, 6), (10, 10), (12, 6), (15, 15), (18, 6), (20, 10), (30, 1), (30, 6), (30, 30), (60, 1), (60, 6),
    (60, 30), (60, 60), (120, 60), (180, 60),
)  # fmt: skip
_PLACES: Final = range(2, 9)
_MODES: Final[tuple[RoundingMode, ...]] = ("half_up", "up", "down")
# Prices per minute have six decimals; a misread rate is a multiple of this many units of 1e-8.
_RATE_UNIT: Final = 100
_LEAST_CALLS: Final = 3
_MINUTE: Final = 60


def money_causes(comparison: Comparison, rows_a: Rows, rows_b: Rows) -> npt.NDArray[np.int8]:
    """Code of the cause of each pair, -1 where no cause is known. The amounts of the pairs must differ from the card's.

    Args:
        comparison: the two sides.
        rows_a: the switch's row of each pair.
        rows_b: the carrier's row of each pair.
    """
    switch, carrier, tariff = comparison.switch, comparison.carrier, comparison.tariff
    causes = np.full(len(rows_a), -1, np.int8)
    if tariff.rate is None or tariff.card is None:
        return causes
    rate = tariff.rate[rows_a]
    order = np.argsort(rate, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(rate[order])) + 1):
        if len(part) and rate[part[0]] >= 0:
            lengths = switch.duration_ms[rows_a[part]], carrier.duration_ms[rows_b[part]]
            prices = _Prices(tariff, tariff.card, int(rate[part[0]]))
            causes[part] = prices.causes_of(*lengths, carrier.amount[rows_b[part]])
    return causes


class _Prices:
    """Prices of one rate of the card, and with one property of it changed."""

    def __init__(self, tariff: Tariff, card: RateCard, index: int) -> None:
        self.card = card
        self.per_minute = tariff.per_minute[index]
        self.fee = tariff.fee[index]
        self.steps = int(tariff.first[index]), int(tariff.following[index])

    def causes_of(self, switch_ms: Integers, carrier_ms: Integers, charged: Integers) -> npt.NDArray[np.int8]:
        """Code of the cause of each call of the rate."""
        causes = np.full(len(charged), -1, np.int8)
        changes = list(self._changes(switch_ms, carrier_ms, charged))
        while (unexplained := causes < 0).any():
            hits = [int((explains & unexplained).sum()) for _, explains in changes]
            best = max(range(len(changes)), key=hits.__getitem__)
            if not hits[best]:
                break
            cause, explains = changes[best]
            causes[explains & unexplained] = code_of(cause)
        # No change explains the rest: their price per minute differs and is not a round number.
        causes[causes < 0] = code_of(Cause.RATE)
        return causes

    def _changes(self, switch_ms: Integers, carrier_ms: Integers, charged: Integers) -> Iterator[tuple[Cause, Flags]]:
        """Causes in order of preference, each with the calls that it explains."""
        lengths = switch_ms, carrier_ms
        billed = [billed_seconds(length, *self.steps) for length in lengths]
        places, mode = self.card.places, self.card.rounding

        def equals(
            seconds: list[Integers], rate: Integers, fee: Integers, decimals: int, rounding: RoundingMode
        ) -> Flags:
            return np.logical_or.reduce([price(each, rate, fee, decimals, rounding) == charged for each in seconds])

        no_fee = np.zeros_like(self.fee)
        if self.fee:
            yield Cause.FEE, equals(billed, self.per_minute, no_fee, places, mode)
            yield Cause.FEE, equals(billed, self.per_minute, 2 * self.fee, places, mode)
        for decimals in reversed(_PLACES):
            for rounding in _MODES:
                yield Cause.ROUNDING, equals(billed, self.per_minute, self.fee, decimals, rounding)
        for first, following in _INCREMENTS:
            other = [billed_seconds(length, first, following) for length in lengths]
            yield Cause.INCREMENT, equals(other, self.per_minute, self.fee, places, mode)
        expected = price(billed[0], self.per_minute, self.fee, places, mode)
        longest = int(billed[0].argmax())
        if billed[0][longest]:
            implied = (charged[longest] - self.fee) * _MINUTE / billed[0][longest]
            rounded = np.rint(implied / _RATE_UNIT).astype(np.int64) * _RATE_UNIT
            yield Cause.RATE, equals(billed, rounded, self.fee, places, mode)
        for difference in _recurring_differences(charged - expected, billed[0]):
            yield Cause.FEE, charged - expected == difference


def _recurring_differences(differences: Integers, seconds: Integers) -> list[int]:
    """Differences that at least three calls of three different lengths share."""
    values, counts = np.unique(differences, return_counts=True)
    recurring = [int(value) for value in values[counts >= _LEAST_CALLS] if value]
    return [value for value in recurring if len(np.unique(seconds[differences == value])) >= _LEAST_CALLS]
