"""The bounds of a day in a manifest, where zones do strange things (fault case D10)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdr_pipeline.core.time.business_day import day_bounds
from tests.support.examples import examples

ZONES = sorted(
    name for name in available_timezones() if not name.startswith(("posix", "right", "SystemV", "localtime"))
)
DAYS = st.dates(date(1970, 1, 2), date(2099, 12, 31))


@given(DAYS, st.sampled_from(ZONES))
@settings(max_examples=examples(400))
def test_days_of_every_zone_tile_time(day: date, zone: str) -> None:
    first, end = day_bounds(day, zone)
    assert end == day_bounds(day + timedelta(days=1), zone)[0]
    assert timedelta(0) <= end - first <= timedelta(hours=26)
    assert first.tzinfo is UTC


@given(st.datetimes(datetime(2012, 1, 1), datetime(2099, 12, 31)), st.sampled_from(ZONES))  # noqa: DTZ001
@settings(max_examples=examples(400))
def test_the_business_date_of_an_instant_is_the_day_whose_bounds_hold_it(naive: datetime, zone: str) -> None:
    moment = naive.replace(tzinfo=UTC)
    first, end = day_bounds(moment.astimezone(ZoneInfo(zone)).date(), zone)
    assert first <= moment < end


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", date(2026, 3, 8), 23), ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5), ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Asia/Kolkata", date(2026, 3, 29), 24), ("UTC", date(2024, 2, 29), 24), ("UTC", date(2016, 12, 31), 24),
        ("America/Havana", date(2026, 11, 1), 25), ("Asia/Beirut", date(2026, 3, 29), 23),
    ],
)  # fmt: skip
def test_a_day_is_as_long_as_its_zone_says(zone: str, day: date, hours: float) -> None:
    first, end = day_bounds(day, zone)
    assert end - first == timedelta(hours=hours)


def test_a_day_that_a_zone_left_out_is_empty() -> None:
    first, end = day_bounds(date(2011, 12, 30), "Pacific/Apia")
    assert first == end == datetime(2011, 12, 30, 10, tzinfo=UTC)


def test_a_midnight_that_comes_twice_counts_the_first_time() -> None:
    assert day_bounds(date(2026, 11, 1), "America/Havana")[0] == datetime(2026, 11, 1, 4, tzinfo=UTC)


def test_a_date_repeated_after_midnight_belongs_to_the_day_that_had_begun() -> None:
    # At 00:01 the clocks of St John's went back to 23:01 of the day before, until 2011.
    assert day_bounds(date(2010, 11, 7), "America/St_Johns")[0] == datetime(2010, 11, 7, 2, 30, tzinfo=UTC)


@given(DAYS, st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia"]))
def test_polars_finds_the_same_day(day: date, zone: str) -> None:
    first, end = day_bounds(day, zone)
    if first == end:
        return
    moments = pl.Series([first, end - timedelta(microseconds=1)], dtype=pl.Datetime("us", "UTC"))
    assert moments.dt.convert_time_zone(zone).dt.date().to_list() == [day, day]
