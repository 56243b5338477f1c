"""B21: an import killed anywhere leaves all of its file or nothing, and the next run converges; B12: two at once."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload, import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest, register_dropped_files
from tests.support.crashing_import import POINTS
from tests.support.forked_commands import CommandRunner
from tests.support.nights import require_sound, warehouse
from tests.support.uploads import carrier_row, carrier_text, opened, stored

TEXT = carrier_text(*range(1, 40)) + carrier_row(40, start="never")
PROGRAM = Path(__file__).parents[1] / "support" / "crashing_import.py"


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    return opened(ctx)


def merged(ctx: RunContext) -> int:
    """Imported records in the warehouse."""
    return len(stored(ctx))


@pytest.mark.slow
@pytest.mark.fault("B21")
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_import_is_whole_or_nothing_and_the_next_run_converges(
    place: RunContext, programs: CommandRunner, tmp_path: Path, point: str
) -> None:
    file = tmp_path / "f.csv"
    file.write_text(TEXT)
    expected = 0 if point == "none" else 137
    arguments = [place.url, str(place.settings.data_dir), str(file), point]
    assert programs.wait(programs.start_program(PROGRAM, *arguments)) == expected
    committed = point in ("none", "after_commit")
    assert merged(place) == (39 if committed else 0)
    assert warehouse(place, "SELECT count(*) FROM rejects") == [(1 if committed else 0,)]
    again = import_upload(UploadRequest(file, "acct", "generic"), place)
    assert again.known is committed
    assert (again.counts.read, again.counts.merged, again.counts.rejected) == (41, 39, 1)
    assert merged(place) == 39
    assert warehouse(place, "SELECT state, count(*) FROM uploads GROUP BY state") == [("loaded", 1)]
    assert warehouse(place, "SELECT count(*) FROM batches") == [(1,)]
    require_sound(place)


@pytest.mark.fault("B21")
def test_a_dropped_file_is_removed_only_when_the_ledger_knows_it(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place.settings.upload_dir / "acct" / "generic"
    folder.mkdir(parents=True)
    (folder / "f.csv").write_text(TEXT)
    with monkeypatch.context() as broken:
        broken.setattr("cdr_pipeline.warehouse.uploads.uploads.UploadTable.record_landed", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            register_dropped_files(place)
    assert (folder / "f.csv").exists()
    assert [file.known for file in register_dropped_files(place).files] == [False]
    assert not (folder / "f.csv").exists()


@pytest.mark.fault("B12")
def test_two_workers_with_the_same_bytes_load_them_once(place: RunContext, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(TEXT)

    def work(name: str) -> LoadedUpload:
        return import_upload(UploadRequest(tmp_path / name, "acct", "generic"), place)

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(work, ("a.csv", "b.csv"))
    assert one.counts == two.counts
    assert sorted([one.known, two.known]) == [False, True]
    assert warehouse(place, "SELECT count(*) FROM batches") == [(1,)]
    assert merged(place) == 39


@pytest.mark.fault("B21")
@pytest.mark.slow
def test_an_import_stopped_by_the_keyboard_leaves_nothing(place: RunContext, tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text(carrier_text(*range(3000)))
    arguments = [sys.executable, str(PROGRAM), place.url, str(place.settings.data_dir), str(file), "none"]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as child:
        while not warehouse(place, "SELECT 1 FROM uploads"):
            assert child.poll() is None
        os.kill(child.pid, signal.SIGINT)
        child.wait(60)
    assert merged(place) in (0, 3000)
    again = import_upload(UploadRequest(file, "acct", "generic"), place)
    assert again.counts.merged == 3000
    assert merged(place) == 3000
    require_sound(place)
