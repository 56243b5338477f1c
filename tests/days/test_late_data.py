"""Days that change after their file was written: open ones are exported again, sealed ones restated."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from tests.support.played import DAY, QUIET, hashes, playing

SOON = timedelta(minutes=11)


@pytest.fixture
def played(settings: Settings) -> Iterator[Settings]:
    with playing(settings, SimulatedSwitch.build(calls_per_day=10)) as made:
        ctx = RunContext.open(made)
        for day in (DAY - timedelta(days=1), DAY):
            collect_day(CollectRequest(day), ctx)
            load_day(LoadRequest(day), ctx)
        export_days(ExportRequest([DAY - timedelta(days=1), DAY]), ctx)
        yield made


def late_call(settings: Settings, tmp_path: Path, day: date) -> str:
    """A carrier's file brings one more call of the day, of one account."""
    ctx = RunContext.open(settings)
    with ctx.ledger() as ledger:
        account = ledger.accounts.active()[0]
    file = tmp_path / f"late_{day}.csv"
    file.write_text(f"id,start_time,caller,callee,duration\nx{day},{day} 12:00:00,a,b,5\n")
    import_upload(UploadRequest(file, account.account_id, "generic", "UTC"), ctx)
    return account.account_id


def run_late_data(settings: Settings, instance: dg.DagsterInstance, request: dg.RunRequest) -> None:
    job = build_definitions(settings, contexts=RunContexts(settings)).resolve_job_def("late_data")
    assert job.execute_in_process(instance=instance, tags=dict(request.tags), run_config=QUIET).success


def test_the_sensor_waits_for_quiet_and_asks_once_for_a_state(played: Settings, tmp_path: Path) -> None:
    late_call(played, tmp_path, DAY)
    now = RunContexts(played)
    soon = RunContexts(played, clock=lambda: datetime.now(UTC) + SOON)
    with open_instance(played) as instance:

        def look(contexts: RunContexts) -> object:
            sensor = build_definitions(played, contexts=contexts).resolve_sensor_def("late_data")
            return sensor(dg.build_sensor_context(instance=instance))

        assert isinstance(look(now), dg.SkipReason)
        first, second = look(soon), look(soon)
    assert isinstance(first, dg.RunRequest)
    assert isinstance(second, dg.RunRequest)
    assert first.run_key == second.run_key  # and Dagster starts one run a key


def test_open_days_are_rewritten_and_sealed_ones_get_a_new_version(played: Settings, tmp_path: Path) -> None:
    sealed, still_open = DAY - timedelta(days=1), DAY
    done = seal_days(SealRequest([sealed], override=Override("a person", "for the test")), RunContext.open(played))
    assert {day.outcome for day in done} == {"sealed"}
    before = hashes(played)
    account = late_call(played, tmp_path, sealed)
    late_call(played, tmp_path, still_open)
    soon = RunContexts(played, clock=lambda: datetime.now(UTC) + SOON)
    with open_instance(played) as instance:
        sensor = build_definitions(played, contexts=soon).resolve_sensor_def("late_data")
        request = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(request, dg.RunRequest)
        run_late_data(played, instance, request)
        assert isinstance(sensor(dg.build_sensor_context(instance=instance)), dg.SkipReason)
    after = hashes(played)
    changed = {path for path in after if before.get(path) != after[path]}
    exact = {path for path in changed if path.endswith(".csv") and "_v" in path}
    assert any(f"{still_open}_v1" in path and account in path for path in exact)
    assert any(f"{sealed}_v2" in path and account in path for path in exact)
    # Sealed bytes stay, whatever came later.
    assert not [path for path in changed if f"{sealed}_v1" in path]


def test_the_asset_seals_what_is_due_and_says_what_is_in_the_way(played: Settings) -> None:
    later = played.model_copy(update={"seal_after_days": 0})
    definitions = build_definitions(later, contexts=RunContexts(later))
    with open_instance(later) as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey("sealed_days")],
            partition_key=str(DAY),
            run_config=QUIET,
        )
        event = instance.get_latest_materialization_event(dg.AssetKey("sealed_days"))
    assert result.success
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["days_sealed"].value >= 2
