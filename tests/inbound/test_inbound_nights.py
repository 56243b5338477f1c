"""Inbound files in nights: the asset, the sensor, what doctor names, and what blocks a seal."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.inbound.fetch_files import FetchRequest, fetch_files
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.run_context import RunContext
from tests.support.days import ACCOUNT, DAY, collected, deliver, seal
from tests.support.uploads import HEADER, carrier_text, opened, stored

RULE = f'pattern = "cdr_%Y%m%d.csv"\naccount = "{ACCOUNT}"\nprofile = "generic"\nwhole = "at_once"\n'
DAILY = f'every = "day"\nfirst_date = {DAY}\n'


def configured(settings: Settings, folder: Path, text: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    settings.inbound_file.parent.mkdir(parents=True, exist_ok=True)
    settings.inbound_file.write_text(f'[mine]\nurl = "{folder}"\n{RULE}{text}')
    return folder


def problems(ctx: RunContext) -> dict[str, str]:
    return {problem.code: problem.what for problem in find_problems(ctx)}


def test_a_day_is_not_sealed_before_its_expected_file_has_arrived(ctx: RunContext, tmp_path: Path) -> None:
    collected(ctx)
    deliver(ctx, {"record_id": "a"})
    folder = configured(ctx.settings, tmp_path / "carrier", DAILY)
    assert seal(ctx).obstacles == ("file_expected",)
    (folder / f"cdr_{DAY:%Y%m%d}.csv").write_text(HEADER)
    fetch_files(FetchRequest(), ctx)
    assert seal(ctx).obstacles == ("upload_waits",)


def test_an_invalid_configuration_seals_nothing(ctx: RunContext) -> None:
    collected(ctx)
    deliver(ctx, {"record_id": "a"})
    ctx.settings.inbound_file.write_text("[mine]\n")
    with pytest.raises(ConfigurationError, match=r"inbound\.toml"):
        seal(ctx)


def test_doctor_names_late_files_failing_places_and_refused_files(ctx: RunContext, tmp_path: Path) -> None:
    opened(ctx, ACCOUNT)
    day = ctx.clock().date() - timedelta(days=2)
    folder = configured(ctx.settings, tmp_path / "carrier", f'max_bytes = 5\nevery = "day"\nfirst_date = {day}\n')
    (folder / f"cdr_{day:%Y%m%d}.csv").write_text(HEADER)
    fetch_files(FetchRequest(), ctx)
    found = problems(ctx)
    assert "more than max_bytes = 5" in found["inbound_file_refused"]
    assert str(day) in found["inbound_file_late"]
    folder.rename(tmp_path / "away")
    fetch_files(FetchRequest(), ctx)
    assert "place mine" in problems(ctx)["inbound_refused"]


def test_doctor_names_a_file_whose_marker_never_comes(ctx: RunContext, tmp_path: Path) -> None:
    opened(ctx, ACCOUNT)
    folder = configured(ctx.settings, tmp_path / "carrier")
    text = ctx.settings.inbound_file.read_text()
    ctx.settings.inbound_file.write_text(text.replace("at_once", "marker"))
    (folder / "cdr_20261119.csv").write_text(HEADER)
    fetch_files(FetchRequest(), ctx)
    assert "inbound_file_unfinished" not in problems(ctx)
    later = replace(ctx, clock=lambda: datetime(2026, 11, 20, 20, tzinfo=UTC))
    fetch_files(FetchRequest(), later)
    assert "is not complete yet" in problems(later)["inbound_file_unfinished"]


def test_the_sensor_asks_once_and_its_run_merges_the_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CDR_DATA_DIR", str(settings.data_dir))
    ctx = opened(RunContext.open(settings), ACCOUNT)
    folder = configured(settings, tmp_path / "carrier")
    definitions = build_definitions(settings, contexts=RunContexts(settings))
    sensor, job = definitions.resolve_sensor_def("inbound_sensor"), definitions.resolve_job_def("fetch_inbound")
    with open_instance(settings) as instance:
        assert isinstance(sensor(dg.build_sensor_context(instance=instance)), dg.SkipReason)
        (folder / "cdr_20260302.csv").write_text(carrier_text(1))
        asked = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(asked, dg.SensorResult)
        (request,) = asked.run_requests or ()
        again = sensor(dg.build_sensor_context(instance=instance, cursor=asked.cursor))
        assert isinstance(again, dg.SkipReason)
        job.execute_in_process(instance=instance, partition_key=request.partition_key, raise_on_error=False)
        event = instance.get_latest_materialization_event(dg.AssetKey("inbound_files"))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["files_fetched"].value == 1
        assert len(stored(ctx)) == 1
        settings.inbound_file.write_text("[mine]\n")
        failed = job.execute_in_process(instance=instance, partition_key=request.partition_key, raise_on_error=False)
    assert not failed.success
    checks = {check.check_name: check.passed for check in failed.get_asset_check_evaluations()}
    assert not checks["every_place_was_fetched"]
    assert checks["every_file_has_a_place"]
