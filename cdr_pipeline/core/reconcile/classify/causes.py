"""Causes of wrong amounts: the single change of the rate card that explains an amount to the last digit.

One call may fit a change by chance, so the calls of a rate are examined together: the change that explains most of
them is their cause. The calls that it does not explain are examined again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.classify.classes import Cause, code_of
from cdr_pipeline.core.reconcile.inputs.calls import Flags, Rows
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.rates import Integers, RateCard, RoundingMode, billed_seconds, price
from cdr_pipeline.core.reconcile.inputs.tariff import Tariff
from cdr_pipeline.core.reconcile.match.written_steps import COMMON_STEPS, writes

_PLACES: Final = range(2, 9)
_MODES: Final[tuple[RoundingMode, ...]] = ("half_up", "up", "down")
# A misread rate is a multiple of one of these units of 1e-8: prices per minute have two to six decimals.
_RATE_UNITS: Final = (1_000_000, 100_000, 10_000, 1_000, 100)
# A multiple of this many units has at most four decimals.
_ROUND_RATE: Final = 10_000
_MONEY_PLACES: Final = 8
_LEAST_CALLS: Final = 3
_FREE_SECONDS: Final = (1, 2, 3, 5, 6, 10, 15, 20, 30, 60)
_SHORT_SECONDS: Final = 60
_MOST_RELATED: Final = 50
_MILLISECONDS: Final = 1_000
_Change = tuple[Cause, str, Flags]
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Explained:
    """Causes of pairs: codes, -1 where no cause is known, and what explains them, "" for nothing."""

    codes: npt.NDArray[np.int8]
    details: npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class OtherSteps:
    """Billing steps that explain lengths, as text, and the pairs that they explain."""

    explained: Flags
    text: str


def length_causes(comparison: Comparison, rows_a: Rows, rows_b: Rows, other: Flags, within: Flags) -> OtherSteps | None:
    """The billing steps by which the carrier writes its lengths, if they are not the agreed ones.

    Args:
        comparison: the two sides.
        rows_a: the switch's row of each pair.
        rows_b: the carrier's row of each pair.
        other: pairs whose lengths differ and have no other cause.
        within: pairs whose lengths agree within tolerance.
    """
    wrong = np.flatnonzero(other & ~within)
    if len(wrong) < _LEAST_CALLS:
        return None
    switch_ms, carrier_ms = comparison.switch.duration_ms[rows_a], comparison.carrier.duration_ms[rows_b]
    best, hits = (0, 0), 0
    for steps in COMMON_STEPS:
        explains = writes(switch_ms[wrong], carrier_ms[wrong], steps)
        if explains.sum() >= hits and len(np.unique(switch_ms[wrong][explains])) >= _LEAST_CALLS:
            best, hits = steps, int(explains.sum())
    if not hits or 2 * hits < len(wrong):
        return None
    first, following = comparison.tariff.steps(rows_a[wrong[:1]])
    agreed = f"{int(np.asarray(first).flat[0])}/{int(np.asarray(following).flat[0])}"
    explained = np.zeros(len(rows_a), np.bool_)
    everywhere = np.flatnonzero(other)
    explained[everywhere] = writes(switch_ms[everywhere], carrier_ms[everywhere], best)
    return OtherSteps(explained, f"{best[0]}/{best[1]} instead of {agreed}")


def money_causes(comparison: Comparison, rows_a: Rows, rows_b: Rows) -> Explained:
    """Causes of the pairs. The amounts of the pairs must differ from the card's.

    Args:
        comparison: the two sides.
        rows_a: the switch's row of each pair.
        rows_b: the carrier's row of each pair.
    """
    switch, carrier, tariff = comparison.switch, comparison.carrier, comparison.tariff
    causes = np.full(len(rows_a), -1, np.int8)
    details = np.full(len(rows_a), "", np.object_)
    if tariff.rate is None or tariff.card is None or not len(rows_a):
        return Explained(causes, details)
    rate = tariff.rate[rows_a]
    names = carrier.column("destination").gather(rows_b)
    order = np.argsort(rate, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(rate[order])) + 1):
        if len(part) and rate[part[0]] >= 0:
            lengths = switch.duration_ms[rows_a[part]], carrier.duration_ms[rows_b[part]]
            prices = _Prices(tariff, tariff.card, int(rate[part[0]]), set(names.gather(part).drop_nulls()))
            found = prices.causes_of(*lengths, carrier.amount[rows_b[part]])
            causes[part], details[part] = found.codes, found.details
    return Explained(causes, details)


class _Prices:
    """Prices of one rate of the card, and with one property of it changed."""

    def __init__(self, tariff: Tariff, card: RateCard, index: int, names: set[str]) -> None:
        self.tariff = tariff
        self.card = card
        self.index = index
        self.names = names
        self.per_minute = tariff.per_minute[index]
        self.fee = tariff.fee[index]
        self.steps = int(tariff.first[index]), int(tariff.following[index])

    def causes_of(self, switch_ms: Integers, carrier_ms: Integers, charged: Integers) -> Explained:
        """Cause of each call of the rate."""
        causes = np.full(len(charged), -1, np.int8)
        details = np.full(len(charged), "", np.object_)
        changes = list(self._changes(switch_ms, carrier_ms, charged))
        while (unexplained := causes < 0).any():
            hits = [int((explains & unexplained).sum()) for _, _, explains in changes]
            best = max(range(len(changes)), key=hits.__getitem__)
            if not hits[best]:
                break
            cause, detail, explains = changes[best]
            causes[explains & unexplained] = code_of(cause)
            details[explains & unexplained] = detail
        # No change explains the rest: their price per minute differs and is not a round number.
        causes[causes < 0] = code_of(Cause.RATE)
        return Explained(causes, details)

    def _changes(self, switch_ms: Integers, carrier_ms: Integers, charged: Integers) -> Iterator[_Change]:
        """Causes in order of preference, each with its detail and the calls that it explains."""
        lengths = switch_ms, carrier_ms
        billed = [billed_seconds(length, *self.steps) for length in lengths]
        places, mode = self.card.places, self.card.rounding

        def equals(
            seconds: list[Integers], rate: Integers, fee: Integers, decimals: int, rounding: RoundingMode
        ) -> Flags:
            return np.logical_or.reduce([price(each, rate, fee, decimals, rounding) == charged for each in seconds])

        no_fee = np.zeros_like(self.fee)
        if self.fee:
            yield Cause.FEE, "no set-up fee", equals(billed, self.per_minute, no_fee, places, mode)
            yield Cause.FEE, "set-up fee twice", equals(billed, self.per_minute, 2 * self.fee, places, mode)
        for decimals in reversed(_PLACES):
            for rounding in _MODES:
                text = f"{decimals} decimals, {rounding} instead of {places} decimals, {mode}".replace("_", " ")
                yield Cause.ROUNDING, text, equals(billed, self.per_minute, self.fee, decimals, rounding)
        for first, following in COMMON_STEPS:
            other = [billed_seconds(length, first, following) for length in lengths]
            text = f"{first}/{following} instead of {self.steps[0]}/{self.steps[1]}"
            yield Cause.INCREMENT, text, equals(other, self.per_minute, self.fee, places, mode)
        yield from self._other_destinations(lengths, charged)
        expected = price(billed[0], self.per_minute, self.fee, places, mode)
        longest = int(billed[0].argmax())
        if billed[0][longest]:
            implied = (charged[longest] - self.fee) * _MINUTE / billed[0][longest]
            # The rate with the fewest decimals that gives the charge of the longest call.
            steps = [np.rint(implied / unit).astype(np.int64) * unit for unit in _RATE_UNITS]
            fits = (price(billed[0][[longest]], step, self.fee, places, mode)[0] == charged[longest] for step in steps)
            rounded = next((step for step, fit in zip(steps, fits, strict=True) if fit), steps[-1])
            text = f"{_plain(int(rounded))} instead of {_plain(int(self.per_minute))} a minute"
            by_rate = Cause.RATE, text, equals(billed, rounded, self.fee, places, mode)
            factor = round(int(charged[longest]) / int(expected[longest]), 2) if expected[longest] else 0.0
            hundredths = round(factor * 100)
            taxed = [
                price(seconds, self.per_minute * hundredths, self.fee * hundredths, places, mode) for seconds in billed
            ]
            step = 10 ** (_MONEY_PLACES - places)
            raised = np.logical_or.reduce([np.abs(amount - charged * 100) <= 50 * step for amount in taxed]) & (
                hundredths > 0
            )
            by_factor = Cause.FACTOR, f"x {factor:g}", raised
            # 1.19 is a simpler explanation of 0.01428 instead of 0.0120 than another rate, 0.0150 is not.
            yield from (by_factor, by_rate) if rounded % _ROUND_RATE else (by_rate, by_factor)
        for free in _FREE_SECONDS:
            shorter = [billed_seconds(np.maximum(length - free * _MILLISECONDS, 0), *self.steps) for length in lengths]
            text = f"the first {free} seconds"
            yield Cause.FREE_SECONDS, text, equals(shorter, self.per_minute, self.fee, places, mode)
        for least in _recurring_differences(charged, billed[0]):
            yield Cause.MINIMUM, _plain(least), (charged == least) & (expected < least)
        for difference in _recurring_differences(charged - expected, billed[0]):
            same = charged - expected == difference
            short = int(billed[0][same].max()) <= _SHORT_SECONDS
            yield Cause.SURCHARGE if short else Cause.FEE, _plain(difference), same

    def _other_destinations(self, lengths: tuple[Integers, Integers], charged: Integers) -> Iterator[_Change]:
        """Prices of destinations that the carrier may have taken instead: related prefixes, and those that it names."""
        own = self.card.rates[self.index]
        related = [
            index
            for index, rate in enumerate(self.card.rates)
            if index != self.index
            and rate.destination != own.destination
            and (
                rate.prefix.startswith(own.prefix)
                or own.prefix.startswith(rate.prefix)
                or rate.destination in self.names
            )
        ]
        for index in related[:_MOST_RELATED]:
            rate, tariff = self.card.rates[index], self.tariff
            steps = int(tariff.first[index]), int(tariff.following[index])
            billed = [billed_seconds(length, *steps) for length in lengths]
            equal = np.logical_or.reduce(
                [
                    price(each, tariff.per_minute[index], tariff.fee[index], self.card.places, self.card.rounding)
                    == charged
                    for each in billed
                ]
            )
            yield Cause.BREAKOUT, f"{rate.destination} instead of {own.destination}", equal


def _plain(amount: int) -> str:
    """An amount in units of 1e-8 as text."""
    return f"{Decimal(amount).scaleb(-_MONEY_PLACES).normalize():f}"


def _recurring_differences(differences: Integers, seconds: Integers) -> list[int]:
    """Differences that at least three calls of three different lengths share."""
    values, counts = np.unique(differences, return_counts=True)
    recurring = [int(value) for value in values[counts >= _LEAST_CALLS] if value]
    return [value for value in recurring if len(np.unique(seconds[differences == value])) >= _LEAST_CALLS]
