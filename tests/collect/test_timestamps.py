from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.time.timestamps import from_gregorian, instant_of, to_gregorian

PLAUSIBLE = st.datetimes(datetime(1990, 1, 2), datetime(2149, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC, microsecond=0)
)


def _instants(*ticks: int | None) -> list[datetime | None]:
    frame = pl.DataFrame({"ticks": pl.Series(ticks, dtype=pl.Int64)})
    return frame.select(instant_of(pl.col("ticks"))).to_series().to_list()


def test_the_documented_sample_is_the_documented_time() -> None:
    assert _instants(63_602_540_915) == [datetime(2015, 6, 26, 12, 28, 35, tzinfo=UTC)]


@given(PLAUSIBLE)
def test_gregorian_seconds_round_trip(moment: datetime) -> None:
    assert from_gregorian(to_gregorian(moment)) == moment


@given(PLAUSIBLE)
def test_every_notation_of_a_time_is_read_as_that_time(moment: datetime) -> None:
    unix = int(moment.timestamp())
    assert _instants(to_gregorian(moment), unix, unix * 1_000_000) == [moment] * 3


def test_numbers_in_no_epoch_are_no_time() -> None:
    assert _instants(0, -1, 3600, 10**18, None) == [None] * 5


def test_gregorian_seconds_round_down() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert to_gregorian(moment + timedelta(milliseconds=999)) == to_gregorian(moment)
