from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.time.business_day import day_bounds

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Beirut",
    "Asia/Kolkata", "America/Havana", "Africa/Cairo",
]  # fmt: skip


@given(st.dates(date(1970, 1, 2), date(2100, 1, 1)), st.sampled_from(ZONES))
def test_days_tile_time(day: date, zone: str) -> None:
    assert day_bounds(day, zone)[1] == day_bounds(day + timedelta(days=1), zone)[0]


@given(st.dates(date(1970, 1, 2), date(2100, 1, 1)), st.sampled_from(ZONES))
def test_the_first_instant_is_the_days_and_the_one_before_is_not(day: date, zone: str) -> None:
    first, end = day_bounds(day, zone)
    assert first.astimezone(ZoneInfo(zone)).date() == day
    assert (first - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() == day - timedelta(days=1)
    assert (end - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() == day


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_days_of_clock_change_have_23_and_25_hours(day: date, hours: int) -> None:
    first, end = day_bounds(day, "Europe/Berlin")
    assert end - first == timedelta(hours=hours)


def test_a_day_without_midnight_begins_when_the_clock_first_shows_it() -> None:
    assert day_bounds(date(2018, 11, 4), "America/Sao_Paulo")[0] == datetime(2018, 11, 4, 3, tzinfo=UTC)
