"""Daily files when the machine, the disk or another writer interferes."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.daily_file import write_daily_file
from cdr_pipeline.exports.exact_csv import encode
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.verify import verify_file, verify_tree
from tests.support.daily_files import DAY, records, write

SUPPORT = Path(__file__).parents[1] / "support"
# Whatever changes something on disk, in the order in which the writer may call it.
DISK_CALLS = ("mkdir", "open", "fsync", "unlink", "replace")


class PowerCut(BaseException):
    """The machine stops: nothing that comes after reaches the disk, cleaning up included."""


class Disk:
    """Lets the first ``lives`` calls through, then none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lives: int) -> None:
        self.lives = lives
        self.cut = False
        for name in DISK_CALLS:
            monkeypatch.setattr(os, name, self._until_the_cut(getattr(os, name)))

    def _until_the_cut(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def call_or_stop(*args: Any, **kwargs: Any) -> Any:
            if self.lives == 0:
                self.cut = True
                raise PowerCut
            self.lives -= 1
            return call(*args, **kwargs)

        return call_or_stop


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob(".*") if path.is_file())


def assert_no_manifest_describes_another_file(folder: Path) -> None:
    for note in folder.rglob("*.manifest.json"):
        assert verify_file(note.with_name(note.name.removesuffix(".manifest.json"))) == []


@pytest.mark.slow
@pytest.mark.fault("D14")
@pytest.mark.parametrize("was_there", [False, True], ids=["new", "changed"])
def test_a_power_cut_at_any_point_leaves_nothing_that_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, was_there: bool
) -> None:
    wanted = write(tmp_path / "wanted", records({}, {})).path.read_bytes()
    points = 0
    while True:
        folder = tmp_path / f"cut_{points}"
        if was_there:
            write(folder, records({}))
        with monkeypatch.context() as patch:
            disk = Disk(patch, lives=points)
            try:
                written = write(folder, records({}, {}))
            except PowerCut:
                pass
            else:
                break
        assert disk.cut
        assert_no_manifest_describes_another_file(folder)
        again = write(folder, records({}, {}))
        assert again.path.read_bytes() == wanted
        assert verify_tree(folder) == {again.path: []}
        assert hidden(folder) == []
        points += 1
    assert written.path.read_bytes() == wanted
    assert points >= 10


@pytest.mark.fault("D14")
def test_what_one_step_rests_on_is_on_the_disk_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, records({}))
    steps: list[str] = []
    real = {name: getattr(os, name) for name in ("fsync", "unlink", "replace")}

    def fsync(handle: int) -> None:
        steps.append("flush folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "flush file")
        real["fsync"](handle)

    def unlink(path: Path, **kwargs: Any) -> None:
        if not str(path).endswith(".part"):
            steps.append(f"remove {''.join(Path(path).suffixes)}")
        real["unlink"](path, **kwargs)

    def rename(source: Path, target: Path) -> None:
        steps.append(f"place {''.join(Path(target).suffixes)}")
        real["replace"](source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "unlink", unlink)
        patch.setattr(os, "replace", rename)
        write(tmp_path, records({}, {}))
    assert steps == [
        "remove .csv.manifest.json", "flush folder",
        "flush file", "place .csv", "flush folder",
        "flush file", "place ", "flush folder",
        "flush file", "place .csv.manifest.json", "flush folder",
    ]  # fmt: skip


@pytest.mark.fault("D14")
def test_new_folders_are_on_the_disk_before_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: set[int] = set()
    real = os.fsync

    def fsync(handle: int) -> None:
        flushed.add(os.fstat(handle).st_ino)
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        path = write(tmp_path / "exports", records({})).path
    above = [folder for folder in path.parents if folder.is_relative_to(tmp_path)]
    assert {folder.stat().st_ino for folder in above} <= flushed


@pytest.mark.fault("D15")
@pytest.mark.parametrize("call", DISK_CALLS)
def test_every_disk_failure_is_an_export_error_without_a_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real = getattr(os, call)
    if call != "mkdir":
        write(tmp_path, records({}))

    def refuse(*args: Any, **kwargs: Any) -> Any:
        # The writer may still remove its own part: only what it wants to keep is refused.
        if call == "unlink" and str(args[0]).endswith(".part"):
            return real(*args, **kwargs)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(ExportError, match="No space left on device") as refused:
            write(tmp_path, records({}, {}))
    assert refused.value.code == "export"
    assert str(tmp_path) not in str(refused.value)
    assert hidden(tmp_path) == []
    assert_no_manifest_describes_another_file(tmp_path)


@pytest.mark.fault("D15")
def test_a_file_larger_than_allowed_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import sys, resource, signal; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "import tests.support.daily_files as t; from cdr_pipeline.errors import ExportError;"
        "frame = t.records({'caller_id_name': 'x' * 300_000});"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: t.write(Path(sys.argv[2]), frame)\n"
        "except ExportError as error: print(error.code, error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(SUPPORT), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "export cdrs_acct_2026-03-02_v1.csv cannot be written: File too large"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.fault("D15")
def test_a_folder_that_is_a_file_is_an_export_error(tmp_path: Path) -> None:
    (tmp_path / "acct").write_text("in the way")
    with pytest.raises(ExportError, match="cannot be used"):
        write(tmp_path, records({}))


def test_an_error_names_the_file_and_nothing_of_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "+15550109876")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "acct/2026/03").mkdir(parents=True)
    with pytest.raises(ExportError) as refused:
        write(tmp_path, records({"caller_id_number": "+15550109876"}))
    assert "5550109876" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.fault("D14")
def test_a_killed_writer_leaves_a_part_that_the_next_one_removes(tmp_path: Path) -> None:
    program = (
        "import sys, os, signal; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "import tests.support.daily_files as t\n"
        "def chunks():\n"
        "    yield t.records({'caller_id_name': 'x' * 100_000})\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "t.write_daily_file(map(t.encode, chunks()), day=t.DAY, export_dir=Path(sys.argv[2]))"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(SUPPORT), str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert visible(tmp_path) == []
    assert len(hidden(tmp_path)) == 1
    written = write(tmp_path, records({}))
    assert hidden(tmp_path) == []
    assert verify_tree(tmp_path) == {written.path: []}


def test_an_error_of_the_reader_goes_through_and_leaves_the_old_file_alone(tmp_path: Path) -> None:
    old = write(tmp_path, records({}))

    def chunks() -> Iterator[pl.DataFrame]:
        yield records({})
        raise ConnectionResetError("the warehouse went away")

    with pytest.raises(ConnectionResetError):
        write_daily_file(map(encode, chunks()), day=DAY, export_dir=tmp_path)
    assert verify_tree(tmp_path) == {old.path: []}
    assert hidden(tmp_path) == []


def test_an_unknown_zone_leaves_the_old_file_alone(tmp_path: Path) -> None:
    old = write(tmp_path, records({}))
    with pytest.raises(KeyError):
        write(tmp_path, records({}, {}), day=replace(DAY, time_zone="Nowhere/Land"))
    assert verify_tree(tmp_path) == {old.path: []}
    assert hidden(tmp_path) == []


@pytest.mark.fault("D17")
def test_a_second_writer_of_a_day_waits_and_the_files_do_not_mix(tmp_path: Path) -> None:
    reading, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def slow() -> Iterator[pl.DataFrame]:
        reading.set()
        go_on.wait(30)
        order.append("first read")
        yield records({})

    def quick() -> Iterator[pl.DataFrame]:
        order.append("second read")
        yield records({}, {})

    def export(chunks: Iterator[pl.DataFrame]) -> None:
        write_daily_file(map(encode, chunks), day=DAY, export_dir=tmp_path)

    first = threading.Thread(target=export, args=[slow()])
    second = threading.Thread(target=export, args=[quick()])
    first.start()
    assert reading.wait(30)
    second.start()
    second.join(0.3)
    assert second.is_alive()
    go_on.set()
    first.join(30)
    second.join(30)
    assert order == ["first read", "second read"]
    (found,) = verify_tree(tmp_path).items()
    assert found[1] == []
    assert found[0].read_bytes().count(b"\r\n") == 3


def test_a_folder_that_cannot_be_locked_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    left = tmp_path / "acct/2026/03/.another.csv.0000.part"
    left.parent.mkdir(parents=True)
    left.touch()
    assert verify_file(write(tmp_path, records({})).path) == []
    assert left.exists()


def test_only_the_group_may_read_and_no_one_else_enters(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        path = write(tmp_path / "exports", records({})).path
    finally:
        os.umask(before)
    modes = {
        found.relative_to(tmp_path).as_posix(): stat.S_IMODE(found.stat().st_mode)
        for found in (path, manifest_path(path), *path.parents)
        if found.is_relative_to(tmp_path / "exports")
    }
    assert set(modes.values()) == {0o640, 0o750}
    assert {name for name, mode in modes.items() if mode == 0o640} == {
        f"exports/acct/2026/03/{path.name}",
        f"exports/acct/2026/03/{path.name}.manifest.json",
    }
    assert len(modes) == 6


def test_memory_is_that_of_one_chunk(tmp_path: Path) -> None:
    program = (
        "import sys, resource; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "import tests.support.daily_files as t;"
        "import polars as pl;"
        "name = pl.col('n').cast(pl.String).str.zfill(9);"
        "cut = lambda k: t.records({'user_agent': 'x' * 1_000}).join("
        "pl.DataFrame({'n': range(k * 5_000, k * 5_000 + 5_000)}), how='cross').with_columns(record_id=name).drop('n');"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024;"
        "cuts = lambda k: (t.encode(cut(n)) for n in range(k));"
        "export = lambda k: t.write_daily_file(cuts(k), day=t.DAY, export_dir=Path(sys.argv[2]));"
        "export(4); few = peak(); size = export(24).size; print(peak() - few, size // 1024 // 1024)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(SUPPORT), str(tmp_path)], capture_output=True, text=True, check=True
    )
    more, size = map(int, said.stdout.split())
    assert size > 120
    assert more < 40


def test_a_later_run_of_an_unchanged_day_touches_nothing_even_its_folder(tmp_path: Path) -> None:
    path = write(tmp_path, records({})).path
    before = {
        found: (found.read_bytes(), found.stat().st_mtime_ns, found.stat().st_ino) for found in path.parent.iterdir()
    }
    later = replace(DAY, run_id="run-9", created_utc=datetime(2027, 1, 1, tzinfo=UTC))
    assert not write(tmp_path, records({}), day=later).changed
    assert {
        found: (found.read_bytes(), found.stat().st_mtime_ns, found.stat().st_ino) for found in path.parent.iterdir()
    } == before
