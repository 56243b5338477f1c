"""Clocks that are wrong: this machine's, compared with the warehouse's and the switch's."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import stamina

from cdr_pipeline.defs.operations.doctor import check_up
from cdr_pipeline.errors import ClockDisagrees
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.days.seal_days import SealRequest, seal_days
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.retention.retain_records import retain_records
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import load_uploads
from tests.support.nights import night, playing, records_of, warehouse

YESTERDAY = (datetime.now(UTC) - timedelta(days=2)).date()
TABLES = {"windows": "*", "days": "*", "batches": "*", "collections": "account_id, business_date, fence"}


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
    """Retries as in life, but without waiting."""
    with stamina.set_testing(testing=True, attempts=5, cap=True):
        yield


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(accounts=1, calls_per_day=40)


def off_by(ctx: RunContext, **more: float) -> RunContext:
    """The place with the usual tolerance and a clock that is off by so much."""
    settings = ctx.settings.model_copy(update={"clock_tolerance_seconds": 300.0})
    return replace(ctx, settings=settings, clock=lambda: datetime.now(UTC) + timedelta(**more))


def everything(ctx: RunContext) -> list[object]:
    """What the ledger says, to the letter."""
    return [warehouse(ctx, f"SELECT {columns} FROM {table} ORDER BY 1, 2") for table, columns in TABLES.items()]


@pytest.mark.fault("R650")
@pytest.mark.parametrize("days", [6, -6], ids=["ahead", "behind"])
def test_a_wrong_clock_collects_loads_seals_and_removes_nothing(
    ctx: RunContext, switch: SimulatedSwitch, days: int
) -> None:
    with run_switch(switch) as running:
        good = off_by(playing(ctx, switch, running.url))
        collected, loaded = night(good, YESTERDAY)
        assert (collected.failures, loaded.incomplete) == ((), ())
        before = everything(good)
        wrong = off_by(good, days=days)
        asked = YESTERDAY + timedelta(days=days)
        for step in (
            lambda: collect_day(CollectRequest(asked), wrong),
            lambda: collect_day(CollectRequest(YESTERDAY), wrong),
            lambda: load_day(LoadRequest(YESTERDAY), wrong),
            lambda: load_uploads(wrong),
            lambda: seal_days(SealRequest(), wrong),
            lambda: retain_records(wrong),
        ):
            with pytest.raises(ClockDisagrees, match="ahead of" if days > 0 else "behind") as raised:
                step()
            assert raised.value.exit_code == 2
        assert everything(good) == before
        assert "clock_disagrees" in {item.code for item in find_problems(wrong)}
        assert "clock_disagrees" not in {item.code for item in find_problems(good)}


@pytest.mark.fault("R651")
def test_a_switch_with_another_clock_leaves_no_trace_in_a_day(ctx: RunContext, switch: SimulatedSwitch) -> None:
    with run_switch(switch) as running:
        night(off_by(playing(ctx, switch, running.url)), YESTERDAY)
    with run_switch(replace(switch, faults=("clock_behind",))) as running:
        place = off_by(playing(ctx, switch, running.url))
        windows, days = everything(place)[:2]
        collected = collect_day(CollectRequest(YESTERDAY), place)
        (failure,) = collected.failures
        assert (failure.code, failure.retryable) == ("clock_disagrees", False)
        assert everything(place)[:2] == [windows, days]
        with pytest.raises(ClockDisagrees, match="switch"):
            seal_days(SealRequest(), place)
        found = check_up(place.settings, fix=False)
        assert (
            [item.what for item in found.problems if item.code == "clock_disagrees"]
            == [item.what for item in found.problems if "switch's, more than 300 s" in item.what]
            != []
        )
    assert len(records_of(place, YESTERDAY)) > 20


@pytest.mark.fault("R650")
def test_clocks_within_the_setting_are_no_obstacle(ctx: RunContext, switch: SimulatedSwitch) -> None:
    with run_switch(switch) as running:
        collected, loaded = night(off_by(playing(ctx, switch, running.url), seconds=-200), YESTERDAY)
    assert (collected.failures, loaded.incomplete) == ((), ())
