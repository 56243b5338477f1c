"""Files that are final on disk stay as they are, whatever a ledger that was restored from a backup knows."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from cdr_pipeline.exports import archive as archive_file
from cdr_pipeline.exports.sums import read_sums
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.run_context import RunContext
from tests.support.days import ACCOUNT, DAY, PERSON, collected, deliver, export, files, later, restate, seal

ALL = "exact,spreadsheet,xlsx,parquet"


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """A day of two calls that was collected whole, long ago."""
    collected(ctx)
    deliver(ctx, {"record_id": "a"}, {"record_id": "b"})
    return ctx


def forget(ctx: RunContext, what: str) -> None:
    """The ledger as a backup leaves it that was made before the day was ``sealed`` or ``restated``."""
    with ctx.ledger() as ledger:
        execute = ledger.connection.execute
        execute("DELETE FROM day_events WHERE event = %s", [what])
        if what == "sealed":
            execute("UPDATE days SET state = 'open', sealed_at = NULL, published_at = NULL")
            execute("UPDATE export_files SET manifest = NULL")
        else:
            execute("DELETE FROM export_files WHERE version = 2")
            execute("UPDATE days SET state = 'sealed', version = 1, exported_changes = 0")


def with_settings(ctx: RunContext, **changes: str) -> RunContext:
    return replace(ctx, settings=ctx.settings.model_copy(update=changes))


def refused(ctx: RunContext) -> None:
    failure = export(ctx).failure
    assert failure is not None
    assert failure.code == "sealed_file_exists"
    assert "cdr-pipeline days adopt" in failure.message


@pytest.mark.fault("R301")
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_an_export_never_replaces_a_file_sealed_on_disk(place: RunContext, compression: str) -> None:
    seal(place)
    before = files(place)
    forget(place, "sealed")
    deliver(later(place, hours=1), {"record_id": "late"})
    refused(with_settings(place, export_compression=compression))
    assert files(place) == before


@pytest.mark.fault("R301")
def test_sealing_again_never_replaces_a_sealed_file(place: RunContext) -> None:
    seal(place)
    before = files(place)
    forget(place, "sealed")
    deliver(later(place, hours=1), {"record_id": "late"})
    failed = seal(place, PERSON)
    assert (failed.outcome, failed.failure and failed.failure.code) == ("failed", "sealed_file_exists")
    assert files(place) == before


@pytest.mark.fault("R301")
def test_restating_again_never_replaces_a_restated_file(place: RunContext) -> None:
    many = with_settings(place, export_dialects="exact,parquet")
    seal(many)
    deliver(later(many, hours=1), {"record_id": "late"})
    assert restate(many).outcome == "restated"
    before = files(many)
    forget(many, "restated")
    deliver(later(many, hours=2), {"record_id": "later"})
    failed = restate(many)
    assert (failed.outcome, failed.failure and failed.failure.code) == ("failed", "sealed_file_exists")
    assert files(many) == before


@pytest.mark.fault("R301")
def test_a_sealed_file_without_its_manifest_is_not_replaced(place: RunContext) -> None:
    sealed = seal(place).files[0].path
    sealed.with_name(f"{sealed.name}.manifest.json").unlink()
    content = sealed.read_bytes()
    forget(place, "sealed")
    deliver(later(place, hours=1), {"record_id": "late"})
    refused(place)
    assert (sealed.read_bytes(), stat.S_IMODE(sealed.stat().st_mode)) == (content, 0o440)


@pytest.mark.fault("R301")
def test_a_rendition_of_a_sealed_day_is_not_written(place: RunContext) -> None:
    seal(place)
    before = files(place)
    forget(place, "sealed")
    exact = place.settings.export_dir / f"{ACCOUNT}/2026/03/cdrs_{ACCOUNT}_{DAY}_v1.csv"
    exact.unlink()
    exact.with_name(f"{exact.name}.manifest.json").chmod(0o640)
    refused(with_settings(place, export_dialects=ALL))
    assert set(files(place)) == set(before) - {str(exact.relative_to(place.settings.export_dir))}


@pytest.mark.fault("R301")
def test_an_archived_file_is_never_replaced(tmp_path: Path, place: RunContext) -> None:
    target = tmp_path / "cdr_acct_2026-03.parquet"
    target.write_bytes(b"what was archived before")
    target.chmod(0o440)
    with place.ledger() as ledger, ledger.retention.remove_month(ACCOUNT, DAY.replace(day=1)) as removal:
        chunks = list(removal.records())
    made = archive_file.write_archive(chunks, target)
    again = archive_file.write_archive(chunks, target)
    assert (made.path.name, again.path) == ("cdr_acct_2026-03.2.parquet", made.path)
    assert target.read_bytes() == b"what was archived before"


@pytest.mark.fault("R302")
def test_a_lost_sealed_file_stays_in_the_list_of_sums(place: RunContext) -> None:
    sealed = seal(place).files[0].path
    sealed.unlink()
    deliver(later(place, hours=1), {"record_id": "c", "business_date": DAY.replace(day=3)})
    export(place, DAY.replace(day=3))
    assert read_sums(sealed.parent).keys() == {sealed.name, sealed.name.replace("03-02", "03-03")}
    sealed.with_name(f"{sealed.name}.manifest.json").unlink()
    (said,) = verify_tree(place.settings.export_dir)[sealed.with_name("SHA256SUMS")]
    assert "but the file and its manifest are missing" in said
