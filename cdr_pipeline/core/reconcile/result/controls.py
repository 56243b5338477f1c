"""Controls of a day's completeness, each with the measured value, the threshold and the evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from statistics import median
from typing import Final

# Sources with fewer calls than this, in a day or an hour, vary too much to be judged.
_BUSY: Final = 20
_LEAST_SHARE: Final = Decimal("0.3")
_MOST_SHARE: Final = Decimal(3)
_MOST_NAMED: Final = 20


class ControlName(StrEnum):
    """Names of the controls."""

    FILES = "no_file_is_missing_in_a_series"
    CALLS = "calls_are_usual"
    MINUTES = "minutes_are_usual"
    HOURS = "no_busy_hour_is_empty"
    VALUES = "no_value_is_absurd"
    PRICES = "every_charge_has_an_agreed_price"


@dataclass(frozen=True, slots=True)
class DayControl:
    """One control of one source.

    Attributes:
        name: name of the control.
        account_id: account that owns the records.
        source: the switch, a carrier, or the profile of a series of files.
        value: measured value.
        threshold: allowed values.
        passed: whether the value is allowed.
        evidence: observations behind the value; contains no personal data.
    """

    name: ControlName
    account_id: str
    source: str
    value: str
    threshold: str
    passed: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class SourceDay:
    """Calls and minutes of one source on one day; calls also by hour (UTC)."""

    calls: int
    minutes: Decimal
    hours: Mapping[int, int]


NO_CALLS: Final = SourceDay(0, Decimal(0), {})


def judge_traffic(account_id: str, source: str, day: SourceDay, earlier: Sequence[SourceDay]) -> list[DayControl]:
    """Compares calls, minutes and busy hours of a source with the same weekday of earlier weeks.

    Args:
        account_id: account that owns the records.
        source: the switch or a carrier.
        day: traffic of the day.
        earlier: traffic of the days to compare with, without days that had no calls.
    """
    calls = [item.calls for item in earlier]
    minutes = [item.minutes for item in earlier]
    return [
        _usual(ControlName.CALLS, account_id, source, Decimal(day.calls), [Decimal(item) for item in calls]),
        _usual(ControlName.MINUTES, account_id, source, day.minutes, minutes),
        _hours(account_id, source, day, earlier),
    ]


def _usual(name: ControlName, account_id: str, source: str, value: Decimal, earlier: list[Decimal]) -> DayControl:
    usual = median(earlier) if earlier else Decimal(0)
    low, high = usual * _LEAST_SHARE, usual * _MOST_SHARE
    return DayControl(
        name,
        account_id,
        source,
        f"{value:.0f}",
        f"{low:.0f} to {high:.0f}" if usual >= _BUSY else "none: too few days or calls to compare with",
        usual < _BUSY or low <= value <= high,
        f"same weekday before: {', '.join(f'{item:.0f}' for item in earlier) or 'none'}",
    )


def _hours(account_id: str, source: str, day: SourceDay, earlier: Sequence[SourceDay]) -> DayControl:
    usual = {hour: median([item.hours.get(hour, 0) for item in earlier]) if earlier else 0 for hour in range(24)}
    empty = [hour for hour in range(24) if usual[hour] >= _BUSY and not day.hours.get(hour)]
    return DayControl(
        ControlName.HOURS,
        account_id,
        source,
        str(len(empty)),
        "0",
        not empty,
        ", ".join(f"{hour:02d} h UTC: usually {usual[hour]:.0f} calls" for hour in empty)
        or "every busy hour has calls",
    )


def judge_values(account_id: str, source: str, absurd: Mapping[str, int]) -> DayControl:
    """Fails if a record has an implausible value; counts by kind."""
    implausible = {kind: count for kind, count in absurd.items() if count}
    return DayControl(
        ControlName.VALUES,
        account_id,
        source,
        str(sum(implausible.values())),
        "0",
        not implausible,
        ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in implausible.items()) or "none",
    )


def judge_prices(account_id: str, carrier: str, unpriced: Sequence[tuple[str, int, Decimal]]) -> DayControl:
    """Fails if a carrier charges calls whose price is not agreed; names the prefixes that the rate card lacks.

    Args:
        account_id: account that owns the calls.
        carrier: the carrier.
        unpriced: beginning of the called number, number of calls and charge.
    """
    return DayControl(
        ControlName.PRICES,
        account_id,
        carrier,
        str(sum(calls for _, calls, _ in unpriced)),
        "0",
        not unpriced,
        ", ".join(
            f"{prefix or 'unknown'}: {calls} call{'' if calls == 1 else 's'}, {amount.normalize():f}"
            for prefix, calls, amount in unpriced[:_MOST_NAMED]
        )
        or "none",
    )


def judge_series(
    account_id: str, profile: str, missing_days: Sequence[date], missing_numbers: Sequence[int]
) -> DayControl:
    """Fails if a series of files has gaps, by day or by sequence number."""
    days = [str(day) for day in missing_days]
    return DayControl(
        ControlName.FILES,
        account_id,
        profile,
        str(len(missing_days) + len(missing_numbers)),
        "0",
        not missing_days and not missing_numbers,
        ", ".join([*days[:10], *(f"number {item}" for item in missing_numbers[:10])]) or "none",
    )
