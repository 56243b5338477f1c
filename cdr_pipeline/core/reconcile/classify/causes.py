"""Why an amount is not what the rate card says, told by the one change of the card that makes it so to the last digit.

One call may be explained by chance, so the calls of a destination decide together: the change that explains most of
them names the cause of those, and what it does not explain is asked again.
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
# Prices of a minute are written with so many decimals; a rate that was misread is one of them.
_RATE_UNIT: Final = 100
_SEVERAL: Final = 3
_MINUTE: Final = 60


def money_causes(it: Comparison, rows_a: Rows, rows_b: Rows) -> npt.NDArray[np.int8]:
    """Code of the cause of each pair, -1 where nothing explains it. The pairs' amounts differ from the card's.

    Args:
        it: the two sides.
        rows_a: the switch's row of each pair.
        rows_b: the carrier's.
    """
    switch, carrier, tariff = it.switch, it.carrier, it.tariff
    found = np.full(len(rows_a), -1, np.int8)
    if tariff.rate is None or tariff.card is None:
        return found
    rate = tariff.rate[rows_a]
    order = np.argsort(rate, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(rate[order])) + 1):
        if len(part) and rate[part[0]] >= 0:
            lengths = switch.duration_ms[rows_a[part]], carrier.duration_ms[rows_b[part]]
            prices = _Prices(tariff, tariff.card, int(rate[part[0]]))
            found[part] = prices.explained(*lengths, carrier.amount[rows_b[part]])
    return found


class _Prices:
    """One rate of the card, and what it would be with one thing changed."""

    def __init__(self, tariff: Tariff, card: RateCard, index: int) -> None:
        self.card = card
        self.per_minute = tariff.per_minute[index]
        self.fee = tariff.fee[index]
        self.steps = int(tariff.first[index]), int(tariff.following[index])

    def explained(self, switch_ms: Integers, carrier_ms: Integers, charged: Integers) -> npt.NDArray[np.int8]:
        found = np.full(len(charged), -1, np.int8)
        tried = list(self._changes(switch_ms, carrier_ms, charged))
        while (open_ := found < 0).any():
            hits = [int((explains & open_).sum()) for _, explains in tried]
            best = max(range(len(tried)), key=hits.__getitem__)
            if not hits[best]:
                break
            cause, explains = tried[best]
            found[explains & open_] = code_of(cause)
        # Nothing else left: the price of a minute is another one, though no round one.
        found[found < 0] = code_of(Cause.RATE)
        return found

    def _changes(self, switch_ms: Integers, carrier_ms: Integers, charged: Integers) -> Iterator[tuple[Cause, Flags]]:
        """Causes in the order in which one is preferred to the next, with the calls that each explains."""
        lengths = switch_ms, carrier_ms
        billed = [billed_seconds(length, *self.steps) for length in lengths]
        places, mode = self.card.places, self.card.rounding

        def equals(seconds: list[Integers], rate: Integers, fee: Integers, to: int, how: RoundingMode) -> Flags:
            return np.logical_or.reduce([price(each, rate, fee, to, how) == charged for each in seconds])

        nothing = np.zeros_like(self.fee)
        if self.fee:
            yield Cause.FEE, equals(billed, self.per_minute, nothing, places, mode)
            yield Cause.FEE, equals(billed, self.per_minute, 2 * self.fee, places, mode)
        for to in reversed(_PLACES):
            for how in _MODES:
                yield Cause.ROUNDING, equals(billed, self.per_minute, self.fee, to, how)
        for first, following in _INCREMENTS:
            other = [billed_seconds(length, first, following) for length in lengths]
            yield Cause.INCREMENT, equals(other, self.per_minute, self.fee, places, mode)
        expected = price(billed[0], self.per_minute, self.fee, places, mode)
        longest = int(billed[0].argmax())
        if billed[0][longest]:
            implied = (charged[longest] - self.fee) * _MINUTE / billed[0][longest]
            rounded = np.rint(implied / _RATE_UNIT).astype(np.int64) * _RATE_UNIT
            yield Cause.RATE, equals(billed, rounded, self.fee, places, mode)
        for added in _common(charged - expected, billed[0]):
            yield Cause.FEE, charged - expected == added


def _common(differences: Integers, seconds: Integers) -> list[int]:
    """Differences that several calls of different lengths share."""
    values, counts = np.unique(differences, return_counts=True)
    often = [int(value) for value in values[counts >= _SEVERAL] if value]
    return [value for value in often if len(np.unique(seconds[differences == value])) >= _SEVERAL]
