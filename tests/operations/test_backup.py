"""The restore drill: a backup that was made during a night becomes an installation that goes on."""

import io
import stat
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cdr_pipeline.defs.instance import open_instance, prepare_home
from cdr_pipeline.errors import BackupError, ConfigurationError
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.operations.backup import back_up_installation, restore_installation
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.days import files
from tests.support.nights import DAY, night, playing, records_of, require_sound, truth_of
from tests.support.own_clock import by_own_clock

NEXT = DAY + timedelta(days=1)


def installation(folder: Path) -> Settings:
    return by_own_clock(Settings(data_dir=folder / "data", DAGSTER_HOME=folder / "dagster"))


def opened(settings: Settings) -> RunContext:
    return RunContext.open(settings, clock=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))


@pytest.fixture
def two_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Settings]]:
    """Settings of an installation and of empty folders, each for an embedded warehouse."""
    places = (installation(tmp_path_factory.mktemp("live")), installation(tmp_path_factory.mktemp("drill")))
    yield places
    for settings in places:
        if settings.warehouse_dir.exists():
            EmbeddedServer(settings.warehouse_dir).destroy()


@pytest.mark.slow
@pytest.mark.fault("C15")
def test_a_backup_made_during_a_night_restores_a_place_that_goes_on(
    two_places: tuple[Settings, Settings], tmp_path: Path
) -> None:
    live, drill = two_places
    switch = SimulatedSwitch.build(accounts=2, calls_per_day=30)
    file = tmp_path / "cdr.tar"
    with run_switch(switch) as running:
        ctx = playing(opened(live), switch, running.url)
        with open_instance(live) as instance:
            instance.add_run(dg.DagsterRun(job_name="nightly", run_id="4f0c6b8e-0000-4000-8000-000000000001"))
        night(ctx)
        export_days(ExportRequest([DAY]), ctx)
        before = files(ctx)
        playing_next = threading.Thread(target=lambda: (night(ctx, NEXT), export_days(ExportRequest([NEXT]), ctx)))
        playing_next.start()
        back_up_installation(file, ctx.settings)
        playing_next.join()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

        restored = restore_installation(file, drill)
        assert restored is not None
        assert not [day.problems for day in restored.adopted if day.problems]
        again = replace(opened(drill), settings=ctx.settings.model_copy(update=_places(drill)))
        assert {name: content for name, content in files(again).items() if str(DAY) in name} == {
            name: content for name, content in before.items() if str(DAY) in name
        }
        assert not any(verify_tree(drill.export_dir).values())
        with open_instance(drill) as instance:
            assert instance.get_runs_count() == 1
        # The night that the backup cut off is completed, and the one before does not change.
        for day in (DAY, NEXT):
            _, loaded = night(again, day)
            assert [item.failure for item in loaded.accounts] == [None, None]
            export_days(ExportRequest([day]), again)
            assert set(records_of(again, day)) == truth_of(switch, day)
        assert {name: content for name, content in files(again).items() if str(DAY) in name} == {
            name: content for name, content in before.items() if str(DAY) in name
        }
        require_sound(again)
        assert not any(verify_tree(drill.export_dir).values())


def _places(settings: Settings) -> dict[str, object]:
    return {"data_dir": settings.data_dir, "dagster_home": settings.dagster_home}


@pytest.fixture
def archived(settings: Settings, tmp_path: Path) -> tuple[Settings, Path]:
    """An installation with a warehouse on a server, and its backup; the folders are gone."""
    prepare_home(settings)
    (settings.landing_dir / "api").mkdir(parents=True)
    (settings.landing_dir / "api" / "pages").write_bytes(b"landed")
    file = tmp_path / "cdr.tar"
    done = back_up_installation(file, settings, warehouse=False)
    assert done.files > 3
    for folder in (settings.data_dir, settings.dagster_home):
        folder.rename(folder.with_name(f"{folder.name}.lost"))
    return settings, file


def test_files_and_dagster_come_back_with_their_content(archived: tuple[Settings, Path]) -> None:
    settings, file = archived
    assert restore_installation(file, settings) is None
    assert (settings.landing_dir / "api" / "pages").read_bytes() == b"landed"
    with open_instance(settings) as instance:
        assert instance.get_runs_count() == 0


def test_a_restore_needs_empty_folders(archived: tuple[Settings, Path]) -> None:
    settings, file = archived
    settings.data_dir.mkdir()
    (settings.data_dir / "something").touch()
    with pytest.raises(ConfigurationError, match=r"CDR_DATA_DIR .* is not empty"):
        restore_installation(file, settings)
    assert not settings.dagster_home.exists()


@pytest.mark.parametrize("fault", ["cut off", "changed", "not a backup"])
def test_a_damaged_backup_restores_nothing(archived: tuple[Settings, Path], fault: str) -> None:
    settings, file = archived
    content = file.read_bytes()
    damaged = {
        "cut off": content[: len(content) // 2],
        "changed": content.replace(b"landed", b"LANDED"),
        "not a backup": _tar_of(b"other"),
    }[fault]
    file.write_bytes(damaged)
    with pytest.raises(BackupError):
        restore_installation(file, settings)
    assert not settings.data_dir.exists()
    assert not settings.dagster_home.exists()


def test_a_warehouse_on_a_server_is_left_out_on_purpose_only(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        back_up_installation(tmp_path / "cdr.tar", settings)
    assert "--without-warehouse" in raised.value.hint


def _tar_of(content: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        info = tarfile.TarInfo("data/file")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return made.getvalue()
