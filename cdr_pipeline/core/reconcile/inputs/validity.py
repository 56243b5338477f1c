"""Prices of a rate card by the time of each call: days of validity, hours and days of the week."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from cdr_pipeline.core.reconcile.inputs.rates import MINUTES_A_DAY, Integers, Rate, RateCard, rate_rows

_DAYS_A_WEEK: Final = 7
_DAY: Final = timedelta(days=1)


def rates_at(numbers: pl.Series, start_ms: Integers, card: RateCard) -> Integers:
    """Index of the rate of each call by its number and start, -1 if the card has no price for it.

    Args:
        numbers: called numbers, E.164 or digits.
        start_ms: starts of the calls, milliseconds since 1970.
        card: the rate card.
    """
    if not len(numbers) or not any(rate.valid_from or rate.valid_to or rate.is_timed for rate in card.rates):
        return rate_rows(numbers, card.rates)
    midnights = _changes(card)
    period = np.searchsorted([moment for moment, _ in midnights], start_ms, "right")
    minutes, minute_sets = _minute_sets(card.rates)
    group = period * len(minute_sets)
    if len(minute_sets) > 1:
        group = group + minutes[_minutes_of_week(start_ms, card.zone)]
    index = np.full(len(numbers), -1, np.int64)
    for value in np.unique(group):
        rows = np.flatnonzero(group == value)
        day = midnights[value // len(minute_sets) - 1][1] if value >= len(minute_sets) else date.min
        valid = _valid(card.rates, day, minute_sets[value % len(minute_sets)])
        found = rate_rows(
            numbers if len(rows) == len(numbers) else numbers.gather(rows), [card.rates[i] for i in valid]
        )
        index[rows] = np.where(found >= 0, np.array([*valid, -1])[found], -1)
    return index


def _changes(card: RateCard) -> list[tuple[int, date]]:
    """Midnights at which a price begins or ends, in milliseconds since 1970, each with the day that begins."""
    days = {rate.valid_from for rate in card.rates if rate.valid_from}
    days |= {rate.valid_to + _DAY for rate in card.rates if rate.valid_to and rate.valid_to < date.max}
    zone = ZoneInfo(card.zone)
    moments = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in sorted(days))
    return [(round(moment.timestamp() * 1_000), moment.date()) for moment in moments]


def _minute_sets(rates: Sequence[Rate]) -> tuple[npt.NDArray[np.int64], list[tuple[int, int]]]:
    """Number of the price period of every minute of the week, and an example of each: weekday and minute."""
    timed = {(rate.weekdays, rate.from_minute, rate.to_minute): rate for rate in rates if rate.is_timed}
    if not timed:
        return np.zeros(0, np.int64), [(1, 0)]
    every = [(weekday, minute) for weekday in range(1, _DAYS_A_WEEK + 1) for minute in range(MINUTES_A_DAY)]
    numbers: dict[tuple[bool, ...], int] = {}
    examples: list[tuple[int, int]] = []
    codes: list[int] = []
    for weekday, minute in every:
        applying = tuple(rate.applies_at(weekday, minute) for rate in timed.values())
        if applying not in numbers:
            numbers[applying] = len(examples)
            examples.append((weekday, minute))
        codes.append(numbers[applying])
    return np.array(codes, np.int64), examples


def _minutes_of_week(start_ms: Integers, zone: str) -> Integers:
    local = pl.from_epoch(pl.Series(start_ms), time_unit="ms").dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    weekday, hour, minute = (part.cast(pl.Int64) for part in (local.dt.weekday(), local.dt.hour(), local.dt.minute()))
    return ((weekday - 1) * MINUTES_A_DAY + hour * 60 + minute).to_numpy()


def _valid(rates: Sequence[Rate], day: date, at: tuple[int, int]) -> list[int]:
    """Indexes of the rates that apply, one per prefix."""
    chosen: dict[str, tuple[tuple[bool, date], int]] = {}
    for index, rate in enumerate(rates):
        if not (rate.applies_on(day) and rate.applies_at(*at)):
            continue
        rank = (rate.is_timed, rate.valid_from or date.min)
        prefix = rate.prefix.removeprefix("+")
        if prefix not in chosen or rank >= chosen[prefix][0]:
            chosen[prefix] = (rank, index)
    return [index for _, index in chosen.values()]
