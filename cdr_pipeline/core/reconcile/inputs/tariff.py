"""Billing steps and prices of the rows of a side by the rate card."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cdr_pipeline.core.reconcile.inputs.calls import Calls
from cdr_pipeline.core.reconcile.inputs.rates import Integers, Rate, RateCard, billed_seconds, price, units
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.validity import rates_at
from cdr_pipeline.core.reconcile.result.reconciled import DESTINATION_TYPE, RATE_TYPE

Steps = tuple[Integers | int, Integers | int]
_UNRATED: Final = -1


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices of the rows of a side, by index of their rate.

    Attributes:
        rate: index of each row's rate, -1 if the card has none; None without a card.
        card: the rate card, if any.
        first: first increment of each rate, seconds; the last element applies to rows without a rate.
        following: next increment of each rate, seconds.
        per_minute: price of sixty seconds of each rate, units of 1e-8.
        fee: setup fee of each rate, units of 1e-8.
        currency: code of the currency of each rate within the reconciliation.
    """

    rate: npt.NDArray[np.int32] | None
    card: RateCard | None
    first: Integers
    following: Integers
    per_minute: Integers
    fee: Integers
    currency: Integers

    def steps(self, rows: npt.NDArray[np.int32] | None = None) -> Steps:
        """First and following increment of rows in seconds; one number each without a rate card."""
        if self.rate is None:
            return int(self.first[0]), int(self.following[0])
        index = self.rate if rows is None else self.rate[rows]
        return self.first[index], self.following[index]

    def rated(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Whether the card has a price for each of the rows."""
        return np.zeros(len(rows), np.bool_) if self.rate is None else self.rate[rows] != _UNRATED

    def price(self, rows: npt.NDArray[np.int32], duration_ms: Integers) -> Integers:
        """Price of rows with these lengths by the card, units of 1e-8; undefined for rows without a rate."""
        if self.rate is None or self.card is None:
            return np.zeros(len(rows), np.int64)
        index = self.rate[rows]
        seconds = billed_seconds(duration_ms, self.first[index], self.following[index])
        return price(seconds, self.per_minute[index], self.fee[index], self.card.places, self.card.rounding)

    def rate_texts(self, rows: npt.NDArray[np.int32]) -> pl.Series:
        """``RATE_TYPE``: agreed price of a minute of each of the rows, null without a rate."""
        if self.rate is None or self.card is None:
            return pl.Series([None], dtype=RATE_TYPE).new_from_index(0, len(rows))
        texts = pl.Series([f"{rate.per_minute.normalize():f}" for rate in self.card.rates] + [None], dtype=pl.String)
        index = self.rate[rows]
        return texts.cast(RATE_TYPE).gather(np.where(index == _UNRATED, len(self.card.rates), index))

    def destinations(self) -> pl.Series | None:
        """``DESTINATION_TYPE``: destination of each row by the card, null without a rate; None without a card."""
        if self.rate is None or self.card is None:
            return None
        names = pl.Series([rate.destination for rate in self.card.rates] + [None], dtype=pl.String)
        names = names.cast(DESTINATION_TYPE)
        return names.gather(np.where(self.rate == _UNRATED, len(self.card.rates), self.rate))


def tariff_of(calls: Calls, start_ms: Integers, rules: Rules, currencies: Sequence[str]) -> Tariff:
    """Tariff of a side by the rate card; rows without a rate have the increment of the rules.

    Args:
        calls: the side.
        start_ms: starts of its rows on the switch's clock, milliseconds since 1970.
        rules: the rate card and the default increment.
        currencies: currencies of the reconciliation in the order of their codes.
    """
    card = rules.rate_card
    rates = () if card is None else card.rates
    default = Rate("", "", per_minute=rules.amount_tolerance * 0, increment=rules.increment)
    all_rates = [*rates, default]
    codes = {currency: code for code, currency in enumerate(currencies)}
    index = None if card is None else rates_at(calls.column("callee"), start_ms, card).astype(np.int32)
    return Tariff(
        rate=index,
        card=card,
        first=np.array([rate.increment.first_seconds for rate in all_rates], np.int64),
        following=np.array([rate.increment.next_seconds for rate in all_rates], np.int64),
        per_minute=np.array([units(rate.per_minute) for rate in all_rates], np.int64),
        fee=np.array([units(rate.setup_fee) for rate in all_rates], np.int64),
        currency=np.array([codes[rate.currency or rules.currency] for rate in all_rates], np.int64),
    )
