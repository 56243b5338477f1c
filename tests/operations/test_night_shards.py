"""A night in several shards does the same as a night in one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.collect import api_pages
from cdr_pipeline.defs.days import daily_files
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.outcome import DONE_TAG, FAILED_TAG
from cdr_pipeline.defs.partitions import ACCOUNTS_TAG
from cdr_pipeline.errors import WarehouseContended
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.collect.collect_day import CollectedDay, CollectRequest, collect_day
from cdr_pipeline.steps.days.export_days import ExportedDay, ExportRequest, export_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.databases import copied_database
from tests.support.graph_text import graph_text
from tests.support.played import DAY, hashes, playing, run_job, table_of_records

STARTED = dg.DagsterEventType.STEP_START
ANSWERED = dg.AssetCheckKey(dg.AssetKey("api_pages"), "every_account_answered")
# Metadata that names a run, a folder or a time.
OWN = {"file", "folder", "page", "trend", "column_schema", "traffic"}


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=10, accounts=4)


@pytest.fixture
def played(settings: Settings, switch: SimulatedSwitch) -> Iterator[Settings]:
    """Each shard is a step, as with several workers."""
    shards = {"night_shards": 3, "executor": "multiprocess"}
    with playing(settings, switch, collect_reread_days=0, step_retry_seconds=0, **shards) as made:
        yield made


def steps_of(result: dg.ExecuteInProcessResult, event: dg.DagsterEventType) -> list[str]:
    return [item.step_key or "" for item in result.all_events if item.event_type is event]


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Metadata of every materialization by asset."""
    events = [item for item in result.all_events if item.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION]
    return {
        str(event.asset_key): {
            name: value.value
            for name, value in event.step_materialization_data.materialization.metadata.items()
            if name not in OWN
        }
        for event in events
    }


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return {
        str(check.asset_check_key): (check.passed, check.severity, check.partition, check.metadata)
        for check in result.get_asset_check_evaluations()
    }


def test_shards_change_no_asset_no_check_no_job(settings: Settings) -> None:
    one = graph_text(build_definitions(settings))
    sharded = settings.model_copy(update={"night_shards": 4})
    assert graph_text(build_definitions(sharded)) == one
    several = graph_text(build_definitions(sharded.model_copy(update={"executor": "multiprocess"})))
    without_pools = [line for line in one.splitlines() if "pools:" not in line]
    assert [line for line in several.splitlines() if "pools:" not in line] == without_pools


@pytest.mark.slow
def test_a_night_in_shards_equals_a_night_in_one_step(
    played: Settings, embedded_server: EmbeddedServer, tmp_path: Path
) -> None:
    with open_instance(played) as instance:
        result = run_job(played, instance, DAY)
    assert result.success
    shards = [step for step in steps_of(result, dg.DagsterEventType.STEP_SUCCESS) if "_shard[" in step]
    assert [step for step in shards if step.startswith("api_pages.")] == [
        f"api_pages.api_pages_shard[{number:03d}]" for number in range(3)
    ]
    with copied_database(embedded_server) as url:
        alone = played.model_copy(
            update={
                "night_shards": 1,
                "warehouse_url": SecretStr(url),
                "data_dir": tmp_path / "alone",
                "dagster_home": tmp_path / "alone_home",
            }
        )
        with RunContext.open(played).ledger() as ledger, RunContext.open(alone).ledger() as other:
            for account in ledger.accounts.all():
                other.accounts.add(account, now=datetime.now(UTC))
        with open_instance(alone) as instance:
            single = run_job(alone, instance, DAY)
        assert single.success
        assert table_of_records(played) == table_of_records(alone)
        assert hashes(played) == hashes(alone) != {}
    assert metadata_of(result) == metadata_of(single)
    assert checks_of(result) == checks_of(single)


@pytest.mark.slow
def test_one_account_of_a_night_in_shards_runs_in_one_shard(played: Settings, switch: SimulatedSwitch) -> None:
    account = switch.accounts[1].account_id
    with open_instance(played) as instance:
        result = run_job(played, instance, DAY, {ACCOUNTS_TAG: account})
    assert len([step for step in steps_of(result, STARTED) if step.startswith("load.load_shard")]) == 1
    assert {row[0] for row in table_of_records(played)} == {account}


@pytest.mark.slow
def test_a_backfill_in_shards_records_the_checks_of_each_day(played: Settings) -> None:
    days = {str(DAY - timedelta(days=1)), str(DAY)}
    tags = {"dagster/asset_partition_range_start": min(days), "dagster/asset_partition_range_end": max(days)}
    with open_instance(played) as instance:
        result = run_job(played, instance, None, tags)
        records = instance.event_log_storage.get_asset_check_execution_history(ANSWERED, limit=20)
    assert result.success
    assert days <= {record.partition for record in records}


@pytest.mark.slow
def test_a_shard_that_fails_is_retried_alone(
    played: Settings, switch: SimulatedSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, calls = switch.accounts[0].account_id, list[list[str]]()

    def failing_once(request: ExportRequest, ctx: RunContext) -> list[ExportedDay]:
        calls.append(sorted(request.accounts or ()))
        if broken in calls[-1] and calls.count(calls[-1]) == 1:
            raise WarehouseContended("another process holds the lock")
        return export_days(request, ctx)

    monkeypatch.setattr(daily_files, "export_days", failing_once)
    with open_instance(played) as instance:
        result = run_job(played, instance, DAY)
    assert result.success
    assert len(calls) == 4
    assert sorted(map(calls.count, map(list, {tuple(call) for call in calls}))) == [1, 1, 2]


@pytest.mark.slow
def test_a_shard_that_stays_broken_fails_its_accounts_only(
    played: Settings, switch: SimulatedSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = switch.accounts[0].account_id

    def failing(request: CollectRequest, ctx: RunContext) -> CollectedDay:
        if broken in (request.accounts or ()):
            raise RuntimeError("a fault with a value of a row")
        return collect_day(request, ctx)

    monkeypatch.setattr(api_pages, "collect_day", failing)
    with open_instance(played) as instance:
        result = run_job(played, instance, DAY)
        run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert not result.success
    assert steps_of(result, dg.DagsterEventType.STEP_FAILURE) == ["night_report"]
    failed, done = int(run.tags[FAILED_TAG]), int(run.tags[DONE_TAG])
    assert (1 <= failed < 4, failed + done) == (True, 4)
    assert len({row[0] for row in table_of_records(played)}) == done


@pytest.mark.slow
def test_in_one_process_only_a_failed_step_is_divided_into_shards(
    played: Settings, switch: SimulatedSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, weak = switch.accounts[0].account_id, switch.accounts[1].account_id
    collected, exported = list[list[str]](), list[list[str]]()

    def failing(request: CollectRequest, ctx: RunContext) -> CollectedDay:
        collected.append(sorted(request.accounts or ()))
        if broken in (collected[-1] or [broken]):
            raise RuntimeError("a fault with a value of a row")
        return collect_day(request, ctx)

    def failing_once(request: ExportRequest, ctx: RunContext) -> list[ExportedDay]:
        exported.append(sorted(request.accounts or ()))
        if weak in (exported[-1] or [weak]) and exported.count(exported[-1]) == 1:
            raise WarehouseContended("another process holds the lock")
        return export_days(request, ctx)

    monkeypatch.setattr(api_pages, "collect_day", failing)
    monkeypatch.setattr(daily_files, "export_days", failing_once)
    here = played.model_copy(update={"executor": "in_process"})
    with open_instance(here) as instance:
        result = run_job(here, instance, DAY)
        run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert not [step for step in steps_of(result, STARTED) if "_shard" in step]
    assert steps_of(result, dg.DagsterEventType.STEP_UP_FOR_RETRY) == []
    assert steps_of(result, dg.DagsterEventType.STEP_FAILURE) == ["night_report"]
    assert (len(collected), sorted(map(exported.count, map(list, {tuple(call) for call in exported})))) == (
        4, [1, 1, 1, 2]
    )  # fmt: skip
    failed, done = int(run.tags[FAILED_TAG]), int(run.tags[DONE_TAG])
    assert (1 <= failed < 4, failed + done) == (True, 4)
    assert len({row[0] for row in table_of_records(here)}) == done


def test_a_night_without_accounts_has_no_shards(settings: Settings) -> None:
    settings = settings.model_copy(
        update={"night_shards": 3, "executor": "multiprocess", "api_url": "http://127.0.0.1:9"}
    )
    with open_instance(settings) as instance:
        result = run_job(settings, instance, DAY)
    assert not [step for step in steps_of(result, STARTED) if "_shard[" in step]
    assert result.success
