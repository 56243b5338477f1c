"""Times of files become exact instants or nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.time.local_time import instant, is_count, is_time
from cdr_pipeline.core.uploads.profile import TimeNotation

FORMATS = ("%Y-%m-%d %H:%M:%S",)
NOTATIONS: list[TimeNotation] = [
    "local",
    "iso8601",
    "epoch_seconds",
    "epoch_milliseconds",
    "gregorian_seconds",
    "any",
]


def read(
    text: str | None, notation: TimeNotation = "local", zone: str = "Europe/Berlin", formats: Sequence[str] = FORMATS
) -> datetime | None:
    """One text's instant."""
    found: datetime | None = pl.select(instant(pl.lit(text, pl.String), notation, formats, zone)).item()
    return found


def utc(*parts: int) -> datetime:
    """An instant."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


# local time


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("Europe/Berlin", "2026-03-29 01:59:59", utc(2026, 3, 29, 0, 59, 59)),
        ("Europe/Berlin", "2026-03-29 03:00:00", utc(2026, 3, 29, 1)),
        ("America/New_York", "2026-11-01 00:59:59", utc(2026, 11, 1, 4, 59, 59)),
        ("America/New_York", "2026-11-01 02:00:00", utc(2026, 11, 1, 7)),
        ("Asia/Kathmandu", "2026-01-01 00:00:00", utc(2025, 12, 31, 18, 15)),
        ("UTC", "2026-03-29 02:30:00", utc(2026, 3, 29, 2, 30)),
    ],
)
def test_local_times_are_read_by_their_zones_clock(zone: str, text: str, expected: datetime) -> None:
    assert read(text, zone=zone) == expected


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("Europe/Berlin", "2026-03-29 02:00:00"),
        ("Europe/Berlin", "2026-03-29 02:59:59"),
        ("Europe/Berlin", "2026-10-25 02:00:00"),
        ("Europe/Berlin", "2026-10-25 02:59:59"),
        ("Australia/Lord_Howe", "2026-10-04 02:15:00"),
        ("America/New_York", "2026-11-01 01:30:00"),
    ],
)
def test_a_skipped_or_repeated_local_time_is_no_instant(zone: str, text: str) -> None:
    assert read(text, zone=zone) is None
    assert pl.select(is_time(pl.lit(text), "local", FORMATS)).item()


def test_an_offset_makes_the_hour_that_comes_twice_exact() -> None:
    assert read("2026-10-25T02:30:00+02:00", "iso8601") == utc(2026, 10, 25, 0, 30)
    assert read("2026-10-25T02:30:00+0100", "iso8601") == utc(2026, 10, 25, 1, 30)


@given(
    st.datetimes(datetime(1990, 1, 2), datetime(2036, 12, 31)),  # noqa: DTZ001 - clock times of a zone
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kolkata"]),
)
def test_local_times_agree_with_the_standard_library(clock: datetime, zone: str) -> None:
    clock = clock.replace(microsecond=0)
    early, late = (clock.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    assert read(clock.strftime("%Y-%m-%d %H:%M:%S"), zone=zone) == (early if early == late else None)


def test_the_first_format_that_fits_is_used() -> None:
    formats = ("%d.%m.%Y %H:%M", "%m/%d/%y %H:%M:%S", "%a %b %e %H:%M:%S %Y")
    assert read("02.03.2026 10:00", formats=formats) == utc(2026, 3, 2, 9)
    assert read("03/02/26 10:00:01", formats=formats) == utc(2026, 3, 2, 9, 0, 1)
    assert read("Mon Dec 15 11:38:34 2003", formats=formats) == utc(2003, 12, 15, 10, 38, 34)


# counts


@pytest.mark.parametrize(
    ("notation", "text", "expected"),
    [
        ("epoch_seconds", "1594150929", utc(2020, 7, 7, 19, 42, 9)),
        ("epoch_seconds", "1594150929.25", utc(2020, 7, 7, 19, 42, 9, 250_000)),
        ("epoch_milliseconds", "1594150929123", utc(2020, 7, 7, 19, 42, 9, 123_000)),
        ("gregorian_seconds", "63542353959", utc(2013, 7, 29, 21, 52, 39)),
        ("any", "1594150929", utc(2020, 7, 7, 19, 42, 9)),
        ("any", "2020-07-07T19:42:09Z", utc(2020, 7, 7, 19, 42, 9)),
        ("any", " 2020-07-07T21:42:09 ", utc(2020, 7, 7, 19, 42, 9)),
    ],
)
def test_counts_are_read_by_their_epoch(notation: TimeNotation, text: str, expected: datetime) -> None:
    assert read(text, notation) == expected


@pytest.mark.parametrize(
    ("notation", "text"),
    [
        ("epoch_seconds", "0"),
        ("epoch_seconds", "12"),
        ("epoch_milliseconds", "1594150929"),
        ("epoch_milliseconds", "999999999999999999"),
        ("any", "20260302"),
    ],
)
def test_a_count_of_no_plausible_time_is_a_count_but_no_instant(notation: TimeNotation, text: str) -> None:
    assert read(text, notation) is None
    assert pl.select(is_count(pl.lit(text), notation)).item()


@given(st.integers(631_152_000, 5_680_281_599))
def test_epoch_seconds_and_milliseconds_name_the_same_instant(seconds: int) -> None:
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert read(str(seconds), "epoch_seconds") == expected
    assert read(f"{seconds}007", "epoch_milliseconds") == expected + timedelta(milliseconds=7)


# what is no time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "never",
        "2026-02-30 00:00:00",
        "2026-03-02",
        "2026-03-02 24:00:00",
        "02/03/2026 10:00:00",
        "0000-00-00 00:00:00",
        "0026-03-02 10:00:00",
        "+262142-01-01 00:00:00",
    ],
)
def test_what_is_no_plausible_time_is_none(text: str) -> None:
    assert read(text) is None
    assert not pl.select(is_time(pl.lit(text), "local", FORMATS)).item()


@given(st.text(max_size=30) | st.from_regex(r"[+-]?[0-9]{1,25}", fullmatch=True), st.sampled_from(NOTATIONS))
def test_no_text_breaks_any_notation_and_all_instants_are_plausible(text: str, notation: TimeNotation) -> None:
    found = read(text, notation)
    assert found is None or 1990 <= found.year < 2150


@pytest.mark.parametrize("notation", NOTATIONS)
def test_nothing_stays_nothing(notation: TimeNotation) -> None:
    assert read(None, notation) is None
