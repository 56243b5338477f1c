"""A restore names what it loses, and the files that are final on disk outrank the ledger that it puts back."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdr_pipeline.errors import NewerThanBackup, WarehouseOfAnotherFolder
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.adopt_files import adopt_files
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.operations.data_folder import folder_link, link_folder
from cdr_pipeline.steps.operations.restore_warehouse import Restored, RestoreRefused, restore_warehouse
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.backup import back_up
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.days import ACCOUNT, DAY, collected, deliver, export, files, later, restate, seal, state
from tests.support.own_clock import by_own_clock

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EXACT = f"{ACCOUNT}/2026/03/cdrs_{ACCOUNT}_{DAY}_v1.csv"


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[RunContext]:
    """A data folder with its embedded warehouse, and a day of two calls."""
    folder = tmp_path_factory.mktemp("own")
    settings = by_own_clock(
        Settings(data_dir=folder, DAGSTER_HOME=tmp_path / "dagster_home", export_dialects="exact,parquet")
    )
    ctx = RunContext.open(settings, clock=lambda: NOW)
    collected(ctx)
    deliver(ctx, {"record_id": "a"}, {"record_id": "b"})
    yield ctx
    EmbeddedServer(settings.warehouse_dir).destroy()


def backed_up(ctx: RunContext, tmp_path: Path) -> Path:
    file = tmp_path / "last-night.dump"
    back_up(EmbeddedServer(ctx.settings.warehouse_dir), file)
    return file


def put_back(ctx: RunContext, file: Path) -> Restored:
    return restore_warehouse(file, ctx.settings, discard_newer=True, clock=ctx.clock)


@pytest.mark.fault("R303")
def test_a_restored_ledger_adopts_sealed_files_from_disk(own: RunContext, tmp_path: Path) -> None:
    export(own)
    file = backed_up(own, tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    seal(own)
    before = files(own)
    done = put_back(own, file)
    assert [(day.outcome, day.state, day.version, day.files, day.problems) for day in done.adopted] == [
        ("adopted", "sealed", 1, 2, ())
    ]
    assert (state(own), files(own)) == ("sealed", before)
    deliver(later(own, hours=1), {"record_id": "late"})
    assert export(own).state == "late_pending"
    assert files(own) == before
    restated = restate(later(own, hours=2))
    assert (restated.outcome, restated.version, restated.reasons) == ("restated", 2, {"late": 1})
    assert not any(verify_tree(own.settings.export_dir).values())


@pytest.mark.fault("R303")
def test_a_restored_ledger_adopts_restated_files_from_disk(own: RunContext, tmp_path: Path) -> None:
    file = backed_up(own, tmp_path)
    seal(own)
    deliver(later(own, hours=1), {"record_id": "late"})
    restate(later(own, hours=2))
    before = files(own)
    (day,) = put_back(own, file).adopted
    assert (day.outcome, day.state, day.version, day.files) == ("adopted", "restated", 2, 5)
    (problem,) = day.problems
    assert "other records than the sealed file with its 3 rows" in problem
    assert f"cdr-pipeline collect --replay --date {DAY}" in problem
    assert (state(own), files(own)) == ("restated", before)
    deliver(later(own, hours=3), {"record_id": "late"})
    assert (state(own), restate(own).outcome, state(own)) == ("late_pending", "unchanged", "restated")


@pytest.mark.fault("R304")
def test_a_restore_lists_what_is_newer_and_demands_a_flag(own: RunContext, tmp_path: Path) -> None:
    file = backed_up(own, tmp_path)
    folder = tmp_path / "fetched here"
    own.settings.targets_file.write_text(f'[finance]\nurl = "{folder}"\n')
    seal(own)
    deliver_files(DeliverRequest(), own)
    with own.ledger() as ledger:
        ledger.connection.execute(
            "INSERT INTO break_decisions VALUES ('acct', 'outcome-1', 1, 'accepted', 'agreed', 'A. Controller', now())"
        )
        ledger.connection.execute(
            "INSERT INTO uploads (account_id, sha256, content_sha256, profile, file_name,"
            " bytes, landing_path, state, received_at)"
            " VALUES ('acct', %s, %s, 'generic', 'f.csv', 1, 'p', 'landed', now())",
            ["c" * 64, "c" * 64],
        )
    with pytest.raises(RestoreRefused) as refused:
        restore_warehouse(file, own.settings, clock=own.clock)
    assert isinstance(refused.value, NewerThanBackup)
    assert (refused.value.exit_code, refused.value.code) == (2, "newer_than_backup")
    assert "--discard-newer" in refused.value.hint
    named = {item.kind: item.named for item in refused.value.newer}
    assert named["sealed or restated day"] == ["acct 2026-03-02 version 1 sealed"]
    assert named["break decision"] == ["acct outcome-1 decision 1 accepted"]
    assert named["upload"] == [f"acct sha256 {'c' * 12} profile generic landed"]
    assert {name.split(" ")[0] for name in named["sealed file"]} == {EXACT, EXACT.replace(".csv", ".parquet")}
    assert set(named["delivery"]) == {f"{EXACT} to finance", f"{EXACT.replace('.csv', '.parquet')} to finance"}
    assert state(own) == "sealed"
    assert {item.kind for item in put_back(own, file).newer} == set(named)


@pytest.mark.fault("R304")
def test_a_backup_as_new_as_the_warehouse_needs_no_flag(own: RunContext, tmp_path: Path) -> None:
    seal(own)
    file = backed_up(own, tmp_path)
    done = restore_warehouse(file, own.settings, clock=own.clock)
    assert (done.newer, done.adopted, state(own)) == ((), (), "sealed")


@pytest.mark.fault("R303")
def test_what_cannot_be_adopted_is_named(own: RunContext, tmp_path: Path) -> None:
    file = backed_up(own, tmp_path)
    sealed = seal(own).files[0].path
    sealed.chmod(0o640)
    sealed.write_bytes(sealed.read_bytes()[:-3])
    note = sealed.with_name(f"{sealed.name.replace('.csv', '.parquet')}.manifest.json")
    note.chmod(0o640)
    note.write_text("{}")
    note.chmod(0o440)
    (day,) = put_back(own, file).adopted
    assert (day.outcome, day.files) == ("adopted", 1)
    said = " ".join(day.problems)
    assert f"{note.name}: {note.name} is not a manifest" in said
    assert f"{sealed.name} was sealed with other bytes than it has now" in said
    assert "cdr-pipeline days repair" in said


@pytest.mark.fault("R305")
def test_a_second_data_folder_on_a_warehouse_is_refused(ctx: RunContext, tmp_path: Path) -> None:
    collected(ctx)
    export(ctx)
    other = ctx.settings.model_copy(update={"data_dir": tmp_path / "other"})
    with pytest.raises(WarehouseOfAnotherFolder, match="1 of the 1 daily files that it knows are not here") as refused:
        RunContext.open(other)
    assert "cdr-pipeline warehouse link --replace" in refused.value.hint
    RunContext.open(ctx.settings)


@pytest.mark.fault("R305")
def test_an_older_installation_is_linked_to_the_folder_that_has_its_files(ctx: RunContext, tmp_path: Path) -> None:
    collected(ctx)
    export(ctx)
    (ctx.settings.data_dir / "warehouse_id").unlink()
    with ctx.ledger() as ledger:
        ledger.connection.execute("DELETE FROM warehouse_identity")
    with pytest.raises(WarehouseOfAnotherFolder, match="none of the 1 daily files"):
        RunContext.open(ctx.settings.model_copy(update={"data_dir": tmp_path / "other"}))
    RunContext.open(ctx.settings)
    with ctx.ledger() as ledger:
        assert (ctx.settings.data_dir / "warehouse_id").read_text() == f"{ledger.identity.warehouse_id()}\n"


@pytest.mark.fault("R305")
def test_a_folder_is_linked_on_purpose_and_the_one_before_is_refused(ctx: RunContext, tmp_path: Path) -> None:
    collected(ctx)
    export(ctx)
    other = ctx.settings.model_copy(update={"data_dir": tmp_path / "other"})
    link_folder(other, ctx.url, now=NOW)
    found = folder_link(other, ctx.url)
    assert (found.linked, found.files, found.missing) == (True, 1, 1)
    RunContext.open(other)
    with pytest.raises(WarehouseOfAnotherFolder):
        RunContext.open(ctx.settings)


def test_adopting_twice_changes_nothing(ctx: RunContext) -> None:
    collected(ctx)
    deliver(ctx, {"record_id": "a"})
    seal(ctx)
    with ctx.ledger() as ledger:
        ledger.connection.execute("UPDATE days SET state = 'open', published_at = NULL")
        ledger.connection.execute("DELETE FROM export_files")
    assert [day.outcome for day in adopt_files(ctx, dry_run=True)] == ["missing"]
    assert [day.outcome for day in adopt_files(ctx)] == ["adopted"]
    assert adopt_files(ctx) == []
