"""The data folder moves as a whole: compared file by file, and only one of both is in use afterwards."""

import stat
from pathlib import Path

import pytest

from cdr_pipeline.errors import ConfigurationError, ProblemsFound, WarehouseOfAnotherFolder
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations import move_data as module
from cdr_pipeline.steps.operations.data_folder import require_own_folder
from cdr_pipeline.steps.operations.move_data import compare_data, move_data
from cdr_pipeline.steps.run_context import RunContext
from tests.support.commands import run_command
from tests.support.daily_files import records, write


@pytest.fixture
def settings_with_files(settings: Settings, ctx: RunContext) -> Settings:
    """A linked data folder with a sealed daily file, a landed file, and what does not move."""
    require_own_folder(settings, ctx.url, now=ctx.clock())
    file = write(settings.export_dir, records({}))
    file.path.chmod(0o440)
    for name in ("landing/api/page", "session/token", "warehouse/data", "exports/.cdrs.1234.part"):
        path = settings.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return settings


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_file_moves_with_its_bytes_and_its_seal(settings_with_files: Settings, tmp_path: Path) -> None:
    before, target = files(settings_with_files.data_dir), tmp_path / "elsewhere"

    done = move_data(settings_with_files, target)

    stay = {"session/token", "warehouse/data", "exports/.cdrs.1234.part"}
    assert files(target) == {name: content for name, content in before.items() if name not in stay}
    assert (done.files, done.copied, done.wrong) == (len(files(target)) - 1,) * 2 + ((),)
    (checked,) = verify_tree(target / "exports").items()
    assert checked[1] == []
    assert not checked[0].stat().st_mode & stat.S_IWUSR
    assert manifest_path(checked[0]).stat().st_mode & stat.S_IWUSR


def test_the_old_folder_is_refused_and_the_new_one_is_not(settings_with_files: Settings, ctx: RunContext) -> None:
    target = settings_with_files.data_dir.parent / "elsewhere"

    move_data(settings_with_files, target)

    with pytest.raises(WarehouseOfAnotherFolder):
        require_own_folder(settings_with_files, ctx.url, now=ctx.clock())
    require_own_folder(settings_with_files.model_copy(update={"data_dir": target}), ctx.url, now=ctx.clock())


def test_an_interrupted_move_goes_on_and_is_no_data_folder(
    settings_with_files: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, put = tmp_path / "elsewhere", module.copy_file

    def dies_at_the_manifest(local: Path, to: Path) -> None:
        if to.name.endswith(".json"):
            raise KeyboardInterrupt
        put(local, to)

    monkeypatch.setattr(module, "copy_file", dies_at_the_manifest)
    with pytest.raises(KeyboardInterrupt):
        move_data(settings_with_files, target)
    assert not (target / "warehouse_id").exists()
    assert (settings_with_files.data_dir / "warehouse_id").exists()
    monkeypatch.setattr(module, "copy_file", put)

    done = move_data(settings_with_files, target)

    assert 0 < done.copied < done.files
    assert compare_data(settings_with_files.data_dir, target).wrong == ()


def test_a_file_that_changes_meanwhile_keeps_the_folder_in_use(
    settings_with_files: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = module.copy_file

    def with_a_late_writer(local: Path, to: Path) -> None:
        put(local, to)
        if local.name == "page":
            local.write_bytes(b"changed")

    monkeypatch.setattr(module, "copy_file", with_a_late_writer)
    target = tmp_path / "elsewhere"

    with pytest.raises(ProblemsFound, match="landing/api/page"):
        move_data(settings_with_files, target)

    assert (settings_with_files.data_dir / "warehouse_id").exists()
    assert not (target / "warehouse_id").exists()


def test_a_folder_that_another_warehouse_uses_is_no_target(settings_with_files: Settings, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "warehouse_id").write_text("b4a1f0b2-4a5e-4d4a-8f0e-1d2c3b4a5968\n")
    with pytest.raises(ConfigurationError, match="another warehouse"):
        move_data(settings_with_files, target)


def test_a_folder_with_the_embedded_warehouse_is_not_moved(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="embedded warehouse") as refused:
        move_data(settings.model_copy(update={"warehouse_url": None}), tmp_path / "elsewhere")
    assert "PostgreSQL server" in refused.value.hint


def test_a_check_names_what_is_missing_and_copies_nothing(settings_with_files: Settings, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    variables = {
        "CDR_DATA_DIR": str(settings_with_files.data_dir),
        "CDR_WAREHOUSE_URL": "postgresql://host.example/cdr",
    }

    checked = run_command("data", "move", "--check", str(target), environment=variables)

    assert checked.returncode == ProblemsFound.exit_code
    assert "landing/api/page" in checked.stderr
    assert not target.exists()
