"""An account that moves from one zone to another (D12): past days keep their zone, and days tile time all the same."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.core.time.account_zones import AccountZones, EarlierZone
from cdr_pipeline.sources.uploads.profiles import load_profile

MOVED = date(2026, 5, 1)
LAST = date(2026, 4, 30)
NAMES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kolkata", "Pacific/Apia", "Pacific/Pago_Pago")


def moved(*zones: str) -> AccountZones:
    """Zones a month apart, the last one from MOVED on."""
    dates = [MOVED - timedelta(days=30 * back) for back in reversed(range(len(zones) - 1))]
    return AccountZones(zones[-1], tuple(map(EarlierZone, zones, dates)))


@pytest.mark.fault("D12")
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), st.dates(date(2026, 1, 1), date(2026, 6, 30)))
def test_days_tile_time_across_every_move(zones: list[str], day: date) -> None:
    account = moved(*zones)
    first, end = account.bounds(day)
    following = account.bounds(day + timedelta(days=1))[0]
    assert end == max(first, following)
    if first < end:
        moments = pl.Series([first, end - timedelta(microseconds=1)], dtype=pl.Datetime("us", "UTC")).to_frame("t")
        assert moments.select(account.business_date(pl.col("t"))).to_series().to_list() == [day, day]


@pytest.mark.fault("D12")
@pytest.mark.parametrize(("to", "hours"), [("America/New_York", 30), ("Asia/Tokyo", 17), ("Europe/Berlin", 24)])
def test_the_last_day_before_a_move_is_longer_or_shorter(to: str, hours: int) -> None:
    first, end = moved("Europe/Berlin", to).bounds(LAST)
    assert end - first == timedelta(hours=hours)
    assert moved("Europe/Berlin", to).on(LAST) == "Europe/Berlin"
    assert moved("Europe/Berlin", to).on(MOVED) == to


@pytest.mark.fault("D12")
def test_local_times_of_a_file_are_read_in_the_zone_of_their_day() -> None:
    account = moved("Europe/Berlin", "America/New_York")
    texts = ["2026-04-30 23:30:00", "2026-05-01 00:30:00", "2026-05-01T00:30:00Z"]
    records = pl.DataFrame(
        {
            "line": [1, 2, 3],
            "raw": texts,
            "start_time": texts,
            "caller": ["1"] * 3,
            "callee": ["2"] * 3,
            "duration": "9",
        }
    )
    sifted = normalize_imported(
        records, load_profile("generic"), account_id="a", account_time_zone=account.time_zone,
        earlier_zones=account.earlier,
    )  # fmt: skip
    assert sifted.rows["started_at"].to_list() == [
        datetime(2026, 4, 30, 21, 30, tzinfo=UTC), datetime(2026, 5, 1, 4, 30, tzinfo=UTC),
        datetime(2026, 5, 1, 0, 30, tzinfo=UTC),
    ]  # fmt: skip
    assert sifted.rows["business_date"].to_list() == [LAST, MOVED, LAST]
