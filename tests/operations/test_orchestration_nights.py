"""Nights that were missed, doubled, lost or run under a wrong clock."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.operations.night import run_night
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.operations.data_folder import link_folder
from cdr_pipeline.steps.operations.due_nights import due_nights, last_due_date
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.run_context import RunContext
from tests.support.played import DAY, hashes, playing, run_job, table_of_records


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=10)


@pytest.fixture
def played(settings: Settings, switch: SimulatedSwitch) -> Iterator[Settings]:
    with playing(settings, switch, since_days=3) as made:
        yield made


def quick_night(settings: Settings, day: date) -> None:
    """What a night leaves in the ledger, without Dagster."""
    ctx = RunContext.open(settings)
    collect_day(CollectRequest(day), ctx)
    load_day(LoadRequest(day), ctx)
    export_days(ExportRequest([day]), ctx)


@pytest.mark.slow
@pytest.mark.fault("G01")
def test_each_missed_night_is_requested_once_oldest_first(played: Settings) -> None:
    ctx = RunContext.open(played)
    sensor = build_definitions(played, contexts=RunContexts(played)).resolve_sensor_def("missed_nights")
    due = [night.business_date for night in due_nights(ctx) if night.everybody]
    last = last_due_date(played, datetime.now(UTC))
    assert due[-1] in (last, last - timedelta(days=1))  # the newest day may still run in some account's zone
    assert len(due) >= 2
    asked: list[str] = []
    with open_instance(played) as instance:
        for _ in due:
            assert {item.code for item in find_problems(ctx)} >= {"night_missing"}
            request = sensor(dg.build_sensor_context(instance=instance))
            assert isinstance(request, dg.RunRequest)
            assert request.partition_key
            asked.append(request.partition_key)
            quick_night(played, date.fromisoformat(request.partition_key))
        assert not [item for item in find_problems(ctx) if item.code == "night_missing"]
    assert asked == [str(day) for day in due]


@pytest.mark.slow
@pytest.mark.fault("G01")
def test_a_missed_night_runs_whole_and_alone(played: Settings) -> None:
    sensor = build_definitions(played, contexts=RunContexts(played)).resolve_sensor_def("missed_nights")
    with open_instance(played) as instance:
        request = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(request, dg.RunRequest)
        job = build_definitions(played).resolve_job_def("nightly")
        on_its_way = instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.STARTED, tags=dict(request.tags) | {"dagster/partition": str(DAY)}
        )
        assert "a night is running" in str(sensor(dg.build_sensor_context(instance=instance)))
        instance.report_run_failed(on_its_way)
        # It was tried a moment ago: the same night waits an hour, the next one does not wait for it.
        again = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(again, dg.RunRequest)
        assert again.partition_key
        assert again.partition_key > (request.partition_key or "")
        assert run_job(played, instance, str(request.partition_key), dict(request.tags)).success
    assert not [
        night for night in due_nights(RunContext.open(played)) if str(night.business_date) == request.partition_key
    ]


@pytest.mark.fault("G01")
def test_the_schedule_leaves_a_time_that_was_missed_to_the_sensor(settings: Settings) -> None:
    schedule = build_definitions(settings).resolve_schedule_def("nightly_schedule")
    now = datetime.now(UTC)
    missed = schedule(dg.build_schedule_context(scheduled_execution_time=now - timedelta(hours=25)))
    assert isinstance(missed, dg.SkipReason)
    assert "missed_nights" in str(missed.skip_message)
    in_time = schedule(dg.build_schedule_context(scheduled_execution_time=now - timedelta(minutes=2)))
    assert isinstance(in_time, dg.RunRequest)
    assert in_time.partition_key == str((now - timedelta(minutes=2) - timedelta(days=1)).date())


@pytest.mark.fault("G01")
def test_an_account_that_was_added_today_has_no_old_nights(settings: Settings, switch: SimulatedSwitch) -> None:
    with playing(settings, switch) as made:
        yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
        assert {night.business_date for night in due_nights(RunContext.open(made))} <= {yesterday}


@pytest.mark.fault("G02")
def test_a_night_started_three_times_at_once_is_collected_once(
    played: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed: list[str] = []
    from cdr_pipeline.sources.landing import LandingWriter  # noqa: PLC0415 - what is counted

    whole = LandingWriter.add_page

    def counted(writer: LandingWriter, *args: object, **more: object) -> None:
        folder = writer.path.parent.as_posix()
        # Long enough for the other two to find the account taken, however busy the machine.
        time.sleep(0.05 if folder in landed else 2.0)
        landed.append(folder)
        whole(writer, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(LandingWriter, "add_page", counted)
    ctx = RunContext.open(played)
    with ThreadPoolExecutor(3) as pool:
        collected = list(pool.map(lambda _: collect_day(CollectRequest(DAY), ctx), range(3)))
    parts = [account for day in collected for account in day.accounts]
    assert not [part for part in parts if part.failure]
    assert sorted(part.account_id for part in parts if not part.elsewhere) == sorted(
        {part.account_id for part in parts}
    )
    assert sum(part.pages for part in parts) == len(landed)
    assert sum(part.elsewhere for part in parts) == 2 * len({part.account_id for part in parts})
    # Asked again later, and not at the same time, it is asked again.
    assert not collect_day(CollectRequest(DAY), ctx).elsewhere


@pytest.mark.slow
@pytest.mark.fault("G07")
def test_a_lost_dagster_database_doubles_nothing(played: Settings) -> None:
    run_night(DAY, played).require_whole()
    before = hashes(played), table_of_records(played)
    shutil.rmtree(played.dagster_home)
    night = run_night(DAY, played)
    night.require_whole()
    assert (hashes(played), table_of_records(played)) == before


@pytest.mark.fault("G08")
def test_a_day_of_the_future_is_refused_by_job_and_step(played: Settings) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    with pytest.raises(ConfigurationError, match="yesterday"):
        run_night(tomorrow, played)
    failed = collect_day(CollectRequest(tomorrow), RunContext.open(played))
    assert {part.failure.code for part in failed.accounts if part.failure} == {"configuration"}


@pytest.mark.fault("G08")
@pytest.mark.parametrize(("zone", "language"), [("", "C"), ("Pacific/Kiritimati", "C"), ("America/Adak", "de_DE")])
def test_the_zone_and_language_of_the_process_change_no_byte(
    played: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, zone: str, language: str
) -> None:
    quick_night(played, DAY)
    before = hashes(played)
    monkeypatch.setenv("TZ", zone)
    monkeypatch.setenv("LANG", language)
    time.tzset()
    try:
        elsewhere = played.model_copy(update={"data_dir": tmp_path / "elsewhere"})
        shutil.copytree(played.landing_dir, elsewhere.landing_dir)
        link_folder(elsewhere, RunContext.open(played).url, now=datetime.now(UTC))
        load_day(LoadRequest(DAY, replay=True), RunContext.open(elsewhere))
        export_days(ExportRequest([DAY]), RunContext.open(elsewhere))
        assert hashes(elsewhere) == before
    finally:
        monkeypatch.undo()
        time.tzset()
