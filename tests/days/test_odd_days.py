"""D11: leap seconds, the edge of the year and 29 February: accepted or refused by rule, and days still tile time."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.core.time.local_time import instant

ISO = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")


def read(text: str, zone: str = "UTC") -> datetime | None:
    frame = pl.DataFrame({"t": [text]})
    return frame.select(instant(pl.col("t"), "any", ISO, zone)).item()


@pytest.mark.fault("D11")
@pytest.mark.parametrize("text", ["2016-12-31T23:59:60Z", "2016-12-31 23:59:60", "2016-12-31T23:59:60+00:00"])
def test_a_leap_second_is_the_second_after_it_as_on_every_posix_clock(text: str) -> None:
    assert read(text) == datetime(2017, 1, 1, tzinfo=UTC)
    assert read(text.replace(":60", ":59")) == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert read(text.replace(":60", ":61")) is None


@pytest.mark.fault("D11")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("2026-02-29T12:00:00Z", None),
        ("2100-02-29T12:00:00Z", None),
        ("2026-12-31T23:59:59Z", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2027-01-01T00:00:00Z", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_29_february_is_a_day_of_leap_years_only(text: str, moment: datetime | None) -> None:
    assert read(text) == moment


@pytest.mark.fault("D11")
@pytest.mark.parametrize("day", [date(2016, 12, 31), date(2024, 2, 28), date(2024, 2, 29), date(2026, 12, 31)])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York"])
def test_days_around_a_leap_second_29_february_and_new_year_tile_time(day: date, zone: str) -> None:
    first, end = day_bounds(day, zone)
    assert end - first == timedelta(days=1)
    assert day_bounds(day + timedelta(days=1), zone)[0] == end
    assert day_bounds(day - timedelta(days=1), zone)[1] == first
