"""Sealed files that are missing or changed are named by every check, and come back with their bytes or not at all."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from cdr_pipeline.exports.sums import read_sums
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.days.export_month import MonthRequest, export_month
from cdr_pipeline.steps.days.repair_files import RepairedFile, RepairRequest, repair_files
from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days
from cdr_pipeline.steps.days.sealed_files import check_sealed_files
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.operations.night_report import night_report
from cdr_pipeline.steps.run_context import RunContext
from tests.support.days import ACCOUNT, DAY, collected, deliver, files, later, seal, state


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """A sealed day of two calls, as CSV and as Parquet."""
    both = replace(ctx, settings=ctx.settings.model_copy(update={"export_dialects": "exact,parquet"}))
    collected(both)
    deliver(both, {"record_id": "a"}, {"record_id": "b"})
    seal(both)
    return both


def exact(ctx: RunContext) -> Path:
    return ctx.settings.export_dir / f"{ACCOUNT}/2026/03/cdrs_{ACCOUNT}_{DAY}_v1.csv"


def note(path: Path) -> Path:
    return path.with_name(f"{path.name}.manifest.json")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.chmod(0o640)
    path.write_bytes(content)


def repair(ctx: RunContext) -> list[RepairedFile]:
    return repair_files(RepairRequest(), ctx)


def healed(ctx: RunContext, before: dict[str, tuple[bytes, int]]) -> None:
    now = files(ctx)
    assert {name: now[name] for name in before} == before
    assert {stat.S_IMODE(mode) for name, (_, mode) in before.items() if "SUMS" not in name} == {0o440}
    assert check_sealed_files(ctx, hash_bytes=1 << 30).faulty == ()
    assert not any(verify_tree(ctx.settings.export_dir).values())


@pytest.mark.fault("R306")
def test_a_lost_sealed_file_is_named_by_page_and_health(place: RunContext) -> None:
    exact(place).unlink()
    report = night_report(DAY, place)
    assert not report.good
    assert "sealed files are missing or damaged" in report.verdict
    (said,) = [item for item in find_problems(place) if item.code == "sealed_file_missing"]
    assert exact(place).name in said.what
    assert said.command == f"cdr-pipeline days repair --account {ACCOUNT}"
    for _ in range(2):  # with its manifest, and without
        (month,) = export_month(MonthRequest(DAY), place)
        assert month.failure is not None
        assert month.failure.code == "sealed_file_damaged"
        assert "cdr-pipeline days repair" in month.failure.message
        note(exact(place)).unlink(missing_ok=True)


@pytest.mark.fault("R306")
def test_a_flipped_bit_is_found_by_the_hashes_of_a_night(place: RunContext) -> None:
    before = files(place)
    flip(exact(place))
    assert check_sealed_files(place).faulty == ()
    (found,) = check_sealed_files(later(place, days=1), hash_bytes=1 << 30).faulty
    assert (found.path, found.fault) == (str(exact(place).relative_to(place.settings.export_dir)), "file_changed")
    assert check_sealed_files(place).faulty != ()
    (done,) = repair(place)
    assert done.outcome == "rewritten"
    healed(place, before)
    assert len(list(exact(place).parent.glob("*.csv.damaged-*"))) == 1


@pytest.mark.fault("R306")
def test_hashes_are_compared_in_turn_within_the_bound(place: RunContext) -> None:
    assert [check_sealed_files(later(place, days=day), hash_bytes=1).hashed for day in (1, 2)] == [1, 1]
    with place.ledger() as ledger:
        assert all(file.hashed_at for file in ledger.sealed_files.files_to_hash())


@pytest.mark.fault("R307")
def test_a_lost_file_comes_back_from_a_delivery_target(place: RunContext, tmp_path: Path) -> None:
    place.settings.targets_file.write_text(f'[finance]\nurl = "{tmp_path / "fetched here"}"\n')
    assert {item.outcome for item in deliver_files(DeliverRequest(), place)} == {"delivered"}
    before = files(place)
    deliver(later(place, hours=1), {"record_id": "late"})
    exact(place).unlink()
    note(exact(place)).unlink()
    (done,) = repair(place)
    assert (done.outcome, done.detail) == ("put_back", "from target finance")
    healed(place, before)


@pytest.mark.fault("R307")
def test_lost_files_are_written_again_from_the_warehouse(place: RunContext) -> None:
    before = files(place)
    for path in (exact(place), exact(place).with_suffix(".parquet")):
        path.unlink()
    exact(place).with_name("SHA256SUMS").unlink()
    assert {(done.path.rpartition(".")[2], done.outcome) for done in repair(place)} == {
        ("csv", "rewritten"),
        ("parquet", "rewritten"),
    }
    assert exact(place).name in read_sums(exact(place).parent)
    healed(place, before)


@pytest.mark.fault("R307")
def test_a_deleted_manifest_and_a_missing_line_are_announced_again(place: RunContext) -> None:
    before = files(place)
    note(exact(place)).unlink()
    exact(place).with_name("SHA256SUMS").unlink()
    assert {done.outcome for done in repair(place)} == {"announced"}
    healed(place, before)


@pytest.mark.fault("R308")
def test_a_file_that_nothing_gives_back_is_restated(place: RunContext) -> None:
    deliver(later(place, hours=1), {"record_id": "late"})
    exact(place).unlink()
    (lost,) = repair(place)
    assert lost.outcome == "lost"
    assert f"days restate --replace-lost --account {ACCOUNT} --date {DAY}" in lost.detail
    request = RestateRequest("A. Controller", "the file is lost", [DAY], [ACCOUNT])
    (refused,) = restate_days(request, later(place, hours=2))
    assert refused.failure is not None
    assert (refused.outcome, refused.failure.code) == ("failed", "sealed_file_damaged")
    assert "cdr-pipeline days repair" in refused.failure.message
    (done,) = restate_days(replace(request, replace_lost=True), later(place, hours=3))
    assert (done.outcome, done.version, state(place)) == ("restated", 2, "restated")
    assert check_sealed_files(place, hash_bytes=1 << 30).faulty == ()
    assert exact(place).name in read_sums(exact(place).parent)


def replaced(ctx: RunContext) -> tuple[RunContext, dict[Path, bytes]]:
    """The day restated because its first version is lost; also the lost file and its manifest with their bytes."""
    deliver(later(ctx, hours=1), {"record_id": "late"})
    kept = {path: path.read_bytes() for path in (exact(ctx), note(exact(ctx)))}
    for path in kept:
        path.unlink()
    check_sealed_files(ctx)
    request = RestateRequest("A. Controller", "the file is lost", [DAY], [ACCOUNT], replace_lost=True)
    assert [day.outcome for day in restate_days(request, later(ctx, hours=2))] == ["restated"]
    return later(ctx, hours=3), kept


def put_back(kept: dict[Path, bytes]) -> None:
    for path, content in kept.items():
        path.write_bytes(content)


@pytest.mark.fault("R308")
def test_a_lost_file_is_named_with_the_version_that_replaces_it(place: RunContext) -> None:
    place, _ = replaced(place)
    assert [(file.path.rpartition("_")[2], file.day_version) for file in check_sealed_files(place).lost] == [
        ("v1.csv", 2)
    ]
    faults = [text for texts in verify_tree(place.settings.export_dir).values() for text in texts]
    assert faults == [f"{exact(place).name}: recorded as lost, replaced by version 2, cdrs_{ACCOUNT}_{DAY}_v2.csv"]
    (again,) = repair_files(RepairRequest([DAY]), place)
    assert again.outcome == "lost"
    assert "replaced by version 2; no target" in again.detail
    assert not [item for item in find_problems(place) if item.code.startswith("sealed_")]


@pytest.mark.fault("R308")
def test_a_lost_file_without_its_bytes_only_is_named_too(place: RunContext) -> None:
    place, kept = replaced(place)
    note(exact(place)).write_bytes(kept[note(exact(place))])
    faults = verify_tree(place.settings.export_dir)[exact(place)]
    assert faults[-1].startswith("recorded as lost, replaced by version 2")


@pytest.mark.fault("R306")
def test_a_lost_file_that_is_put_back_is_protected_again(place: RunContext) -> None:
    place, kept = replaced(place)
    put_back(kept)
    check = check_sealed_files(place)
    assert (check.lost, check.faulty) == ((), ())
    assert not any(verify_tree(place.settings.export_dir).values())
    for path in kept:
        path.unlink()
    assert [file.fault for file in check_sealed_files(place).faulty] == ["file_missing"]
    assert "sealed_file_missing" in {problem.code for problem in find_problems(place)}
    assert [done.outcome for done in repair(place)] == ["lost"]


@pytest.mark.fault("R306")
def test_other_bytes_in_place_of_a_lost_file_leave_it_lost(place: RunContext) -> None:
    place, kept = replaced(place)
    put_back(kept)
    flip(exact(place))
    assert len(check_sealed_files(place).lost) == 1


@pytest.mark.fault("R306")
def test_a_lost_file_put_back_without_its_manifest_is_announced(place: RunContext) -> None:
    place, kept = replaced(place)
    exact(place).write_bytes(kept[exact(place)])
    assert [file.fault for file in check_sealed_files(place).faulty] == ["manifest_missing"]
    assert [done.outcome for done in repair(place)] == ["announced"]
    assert not any(verify_tree(place.settings.export_dir).values())


@pytest.mark.fault("R307")
def test_repairing_a_day_fetches_a_lost_file_from_a_target(place: RunContext, tmp_path: Path) -> None:
    place, kept = replaced(place)
    copy = tmp_path / "fetched" / exact(place).relative_to(place.settings.export_dir)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(kept[exact(place)])
    place.settings.targets_file.write_text(f'[finance]\nurl = "{tmp_path / "fetched"}"\n')
    assert [done.outcome for done in repair_files(RepairRequest([DAY]), place)] == ["put_back"]
    check = check_sealed_files(place, hash_bytes=1 << 30)
    assert (check.lost, check.faulty) == ((), ())
