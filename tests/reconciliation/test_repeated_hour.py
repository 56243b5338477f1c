"""Local times of the hour that exists twice: by their place in the file, then by the switch."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from cdr_pipeline.core.reconcile.clock.repeated_hour import settle_repeated_hour
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.reconcile import reconcile
from cdr_pipeline.core.time.local_time import instant
from tests.support.sides import classes_of, side

ZONE = "Europe/Berlin"
FORMATS = ("%Y-%m-%d %H:%M",)
# Clocks go back at 01:00 UTC.
BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)


def read(*times: str) -> list[str | None]:
    """Instants of local times of the 25th in the order of a file, as hours and minutes in UTC."""
    texts = pl.DataFrame({"t": [f"2026-10-25 {time}" for time in times]})
    found = texts.select(instant(pl.col("t"), "local", FORMATS, ZONE)).to_series()
    return found.dt.strftime("%H:%M").to_list()


def test_the_second_hour_begins_where_the_times_fall_back() -> None:
    assert read("01:50", "02:10", "02:50", "02:05", "02:55", "03:10") == [
        "23:50", "00:10", "00:50", "01:05", "01:55", "02:10"
    ]  # fmt: skip


def test_a_file_with_the_newest_record_first_is_read_backwards() -> None:
    assert read("03:10", "02:55", "02:05", "02:50", "02:10") == ["02:10", "01:55", "01:05", "00:50", "00:10"]


def test_without_an_order_the_first_pass_is_taken() -> None:
    assert read("02:50", "02:05", "02:55", "02:10", "02:50") == ["00:50", "00:05", "00:55", "00:10", "00:50"]


def test_a_single_record_has_no_order() -> None:
    assert read("02:30") == [None]


def test_a_time_that_does_not_exist_stays_unread() -> None:
    texts = pl.DataFrame({"t": ["2026-03-29 01:30", "2026-03-29 02:30", "2026-03-29 03:30"]})
    found = texts.select(instant(pl.col("t"), "local", FORMATS, ZONE)).to_series()
    assert found.is_null().to_list() == [False, True, False]


@pytest.mark.parametrize("minutes", [-40, 20])
def test_a_time_is_read_in_the_pass_that_the_switch_has(minutes: int) -> None:
    call = BACK + timedelta(minutes=minutes)
    twin = call + timedelta(hours=1 if minutes < 0 else -1)
    legs, records = side({"started_at": call}), side({"started_at": twin}, prefix="b")
    settled = settle_repeated_hour(records, legs, ZONE)
    assert settled["started_at"].to_list() == [call]
    assert settled.columns == records.columns


def test_a_call_that_the_switch_has_in_both_hours_keeps_its_time() -> None:
    times = [BACK - timedelta(minutes=40), BACK + timedelta(minutes=20)]
    legs = side(*({"started_at": time} for time in times))
    for time in times:
        assert settle_repeated_hour(side({"started_at": time}, prefix="b"), legs, ZONE)["started_at"].to_list() == [
            time
        ]


def test_a_whole_repeated_hour_is_paired() -> None:
    times = [BACK + timedelta(minutes=4 * n - 60) for n in range(30)]
    calls = [{"started_at": time, "callee": f"+4930{7_770_000 + n}"} for n, time in enumerate(times)]
    read_once = [
        call | {"started_at": time if time < BACK else time - timedelta(hours=1), "amount": Decimal("0.10")}
        for call, time in zip(calls, times, strict=True)
    ]
    legs = side(*calls)
    records = settle_repeated_hour(side(*read_once, prefix="b"), legs, ZONE)
    assert set(classes_of(reconcile(legs, records, Rules(currency="EUR"))).values()) == {"matched"}


@pytest.mark.parametrize(
    ("shifted", "finding"),
    [
        (lambda n: n >= 40, "the carrier's clock was set before 2026-03-02 13:20Z: 40 calls differ by about 0 s, then"),
        (lambda n: n % 2, "the file has two clocks, as of two gateways: 40 calls differ by about"),
        (lambda n: n % 7 == 0, "the file has two clocks, as of two gateways: 12 calls differ by about"),
    ],
    ids=["set during the day", "two gateways", "a small gateway"],
)
@pytest.mark.parametrize("seconds", [47, 400, 7_321, -400, -7_321])
def test_two_clocks_of_a_file_are_named_and_their_calls_paired(
    shifted: Callable[[int], bool], finding: str, seconds: int
) -> None:
    finding = finding if seconds == 47 else finding.partition(":")[0].partition(" before")[0]
    legs = [{"at": 120 * n, "callee": f"+4930{7_770_000 + n}"} for n in range(80)]
    records = [leg | {"at": leg["at"] + seconds * bool(shifted(n))} for n, leg in enumerate(legs)]
    result = reconcile(side(*legs), side(*records, prefix="b"), Rules(currency="EUR"))
    assert finding in result.offset["finding"].item()
    assert result.pairs.height == 80
