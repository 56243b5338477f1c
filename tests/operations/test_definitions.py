"""The graph that Dagster shows, and a night through a real instance."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance, prepare_home
from cdr_pipeline.defs.jobs import NIGHTLY
from cdr_pipeline.defs.operations.night import run_night
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors import ConfigurationError, IncompleteNight
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.run_context import RunContext
from tests.support.played import QUIET, playing

DAY = (datetime.now(UTC) - timedelta(days=2)).date()


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=20)


@pytest.fixture
def played(settings: Settings, switch: SimulatedSwitch) -> Iterator[Settings]:
    with playing(settings, switch) as made:
        yield made


def test_the_schedule_runs_at_the_configured_hour_for_the_ended_day(settings: Settings) -> None:
    made = settings.model_copy(update={"time_zone": "Europe/Berlin", "nightly_at": "03:15"})
    schedule = build_definitions(made).resolve_schedule_def("nightly_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 3 * * *", "Europe/Berlin")


def test_a_night_is_whole_and_shows_what_a_controller_asks(played: Settings) -> None:
    night = run_night(DAY, played)
    night.require_whole()
    with open_instance(played) as instance:
        found = {key: instance.get_latest_materialization_event(dg.AssetKey(key)) for key in ("cdr", "daily_files")}
        run = instance.get_run_by_id(night.run_id)
    assert run is not None
    assert run.tags["dagster/partition"] == DAY.isoformat()
    metadata = {
        key: event.asset_materialization.metadata
        for key, event in found.items()
        if event and event.asset_materialization
    }
    cdr = {key: value.value for key, value in metadata["cdr"].items()}
    assert cdr["rows_read"] == cdr["rows_merged"] > 0
    assert {"rows_unchanged", "rows_duplicate", "rows_rejected", "rows_filtered", "batches", "scope"} <= cdr.keys()
    assert metadata["daily_files"]["files_written"].value >= 3
    assert metadata["daily_files"]["folder"].value == str(played.export_dir)


@pytest.mark.fault("F03")
def test_dagsters_own_storage_holds_no_token_number_or_name(played: Settings, switch: SimulatedSwitch) -> None:
    run_night(DAY, played)
    stored = b"".join(path.read_bytes() for path in played.dagster_home.rglob("*") if path.is_file())
    assert switch.token.encode() not in stored
    for document in switch.documents(switch.accounts[0].account_id, DAY):
        if document["caller_id_number"].startswith("+"):
            assert document["caller_id_number"].encode() not in stored


@pytest.mark.slow
def test_one_accounts_night_says_so_and_the_day_stays_red_for_the_others(
    played: Settings, switch: SimulatedSwitch
) -> None:
    only = switch.accounts[0].account_id
    run_night(DAY, played, accounts=[only]).require_whole()
    with open_instance(played) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("cdr"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["scope"].value == only
    unreachable = played.model_copy(update={"api_url": "http://127.0.0.1:9", "api_dialect": "v2_k43"})
    with pytest.raises(IncompleteNight, match="every_account_is_complete"):
        run_night(DAY, unreachable, accounts=[switch.accounts[1].account_id]).require_whole()


@pytest.mark.slow
def test_one_account_is_run_alone_by_run_config_over_several_days(played: Settings, switch: SimulatedSwitch) -> None:
    only = switch.accounts[1].account_id
    job = build_definitions(played, contexts=RunContexts(played)).resolve_job_def(NIGHTLY)
    config = QUIET | {"resources": {"scope": {"config": {"accounts": [only]}}}}
    days = {"start": str(DAY - timedelta(days=1)), "end": str(DAY)}
    tags = {f"dagster/asset_partition_range_{edge}": day for edge, day in days.items()}
    with open_instance(played) as instance:
        assert job.execute_in_process(instance=instance, tags=tags, run_config=config).success
        event = instance.get_latest_materialization_event(dg.AssetKey("daily_files"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["scope"].value == only
    with RunContext.open(played).ledger() as ledger:
        found = ledger.connection.execute("SELECT DISTINCT account_id FROM cdr").fetchall()
        collected = ledger.connection.execute("SELECT DISTINCT business_date FROM collections ORDER BY 1").fetchall()
    assert found == [(only,)]
    assert [str(day) for (day,) in collected] == [*days.values()]


def test_a_config_with_unknown_names_is_refused_before_anything_runs(settings: Settings) -> None:
    job = build_definitions(settings).resolve_job_def(NIGHTLY)
    assert dg.validate_run_config(job, {"resources": {"scope": {"config": {"accounts": ["a"], "replay": True}}}})
    with pytest.raises(dg.DagsterInvalidConfigError, match="account_ids"):
        dg.validate_run_config(job, {"resources": {"scope": {"config": {"account_ids": ["a"]}}}})


def test_a_day_that_has_not_ended_is_refused_with_the_reason(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="yesterday"):
        run_night((datetime.now(UTC) + timedelta(days=2)).date(), settings)


def test_the_sensor_asks_once_for_a_set_of_files(
    settings: Settings, warehouse_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CDR_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CDR_WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("CDR_UPLOAD_SETTLE_SECONDS", "0")
    sensor = build_definitions(settings).resolve_sensor_def("upload_sensor")
    with open_instance(settings) as instance:
        context = dg.build_sensor_context(instance=instance)
        assert isinstance(sensor(context), dg.SkipReason)
        folder = tmp_path / "data" / "uploads" / "acct" / "generic"
        folder.mkdir(parents=True)
        (folder / "day.csv").write_text("id\n1\n")
        first = sensor(context)
        assert isinstance(first, dg.SensorResult)
        assert first.run_requests is not None
        assert len(first.run_requests) == 1
        again = sensor(dg.build_sensor_context(instance=instance, cursor=first.cursor))
        assert isinstance(again, dg.SkipReason)


def test_a_fresh_home_gets_the_shipped_configuration(settings: Settings) -> None:
    prepare_home(settings)
    assert "telemetry" in (settings.dagster_home / "dagster.yaml").read_text()


def test_runs_print_no_debug_lines_and_the_page_has_all_events(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    @dg.op
    def step(context: dg.OpExecutionContext) -> None:
        context.log.info("collected one account")

    @dg.job
    def small() -> None:
        step()

    with open_instance(settings) as instance:
        result = small.execute_in_process(instance=instance)
        events = [entry.dagster_event_type for entry in instance.all_logs(result.run_id) if entry.is_dagster_event]
    shown = capfd.readouterr().err
    assert "collected one account" in shown
    assert "DEBUG" not in shown
    assert dg.DagsterEventType.STEP_SUCCESS in events


def test_a_fresh_home_opened_by_many_at_once_is_made_once(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as threads:
        instances = list(threads.map(lambda _: open_instance(settings), range(16)))
    assert {instance.get_runs_count() for instance in instances} == {0}
    assert set(instances[0].event_log_storage.get_concurrency_keys()) == _pools_in_use(settings)
    for instance in instances:
        instance.dispose()


def _pools_in_use(settings: Settings) -> set[str]:
    assets = build_definitions(settings).resolve_asset_graph().assets_defs
    return {asset.op.pool for asset in assets if asset.is_executable and asset.op.pool}
