import csv
import hashlib
import io
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import orjson
import polars as pl
import pytest

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.exact_csv import encode, header
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.manifest import read_manifest
from cdr_pipeline.exports.verify import verify_file, verify_tree
from tests.support.daily_files import COLUMNS, DAY, NASTY, records, write
from tests.support.records import STARTED

# the dialect


def test_every_cell_survives_the_way_to_a_reader() -> None:
    frame = records(*({"caller_id_name": text} for text in NASTY))
    text = (header() + encode(frame)).decode()
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["caller_id_name"] for row in read] == NASTY
    assert text.endswith("\r\n")


def test_formats_are_those_of_the_dictionary() -> None:
    frame = records(
        {
            "started_at": STARTED + timedelta(microseconds=500_000),
            "ended_at": STARTED,
            "duration_seconds": Decimal("13.500"),
            "billing_seconds": Decimal("10.000"),
            "ringing_seconds": Decimal("0.000"),
            "cost": Decimal("0.1"),
            "answered": True,
        }
    )
    (row,) = csv.DictReader(io.StringIO((header() + encode(frame)).decode(), newline=""))
    wanted = {
        "started_at": "2026-03-02T09:30:00.5Z",
        "ended_at": "2026-03-02T09:30:00Z",
        "duration_seconds": "13.5",
        "billing_seconds": "10",
        "ringing_seconds": "0",
        "cost": "0.10000000",
        "answered": "true",
        "business_date": "2026-03-02",
        "caller_id_name": "",
    }
    assert {name: row[name] for name in wanted} == wanted


def test_columns_are_only_ever_appended() -> None:
    golden = (Path(__file__).parents[1] / "golden" / "exported_columns.txt").read_text().split()
    assert COLUMNS[: len(golden)] == golden


@pytest.mark.fault("D18")
def test_the_bytes_do_not_depend_on_locale_zone_hash_seed_or_threads() -> None:
    program = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); import tests.support.daily_files as t;"
        "from cdr_pipeline.exports.exact_csv import encode;"
        "print(hashlib.sha256(encode(t.records(*({'caller_id_name': n} for n in t.NASTY)))).hexdigest())"
    )
    here = hashlib.sha256(encode(records(*({"caller_id_name": text} for text in NASTY)))).hexdigest()
    for odd in ({"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}, {"LANG": "C", "LC_ALL": "C", "POLARS_MAX_THREADS": "1"}):
        said = subprocess.run(
            [sys.executable, "-c", program, str(Path(__file__).parents[1] / "support")],
            env=os.environ | odd, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert said.stdout.strip() == here


# file and manifest


def test_the_manifest_says_what_the_file_is(tmp_path: Path) -> None:
    frame = records(
        {"cost": Decimal("0.5"), "cost_currency": "USD", "answered": True},
        {"origin": "imported", "cost": Decimal("0.25"), "cost_currency": "EUR"},
    )
    written = write(tmp_path, frame)
    manifest = read_manifest(manifest_path(written.path))
    assert written.path == tmp_path / "acct/2026/03/cdrs_acct_2026-03-02_v1.csv"
    assert manifest.sha256 == hashlib.sha256(written.path.read_bytes()).hexdigest()
    assert (manifest.rows, manifest.bytes, manifest.columns) == (2, written.path.stat().st_size, COLUMNS)
    assert (manifest.window_start_utc, manifest.window_end_utc) == ("2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z")
    assert manifest.totals["api"] == {
        "legs": 1, "answered_legs": 1, "duration_seconds": "30", "billing_seconds": "20", "cost": {"USD": "0.50000000"},
    }  # fmt: skip
    assert manifest.totals["imported"]["cost"] == {"EUR": "0.25000000"}
    assert verify_file(written.path) == []


@pytest.mark.fault("D13")
def test_an_empty_day_is_a_header_and_a_manifest(tmp_path: Path) -> None:
    written = write(tmp_path)
    assert written.path.read_bytes() == header()
    assert read_manifest(manifest_path(written.path)).rows == 0
    assert verify_file(written.path) == []


def test_writing_the_same_again_changes_no_byte(tmp_path: Path) -> None:
    write(tmp_path, records({}))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()}
    later = replace(DAY, run_id="run-2", created_utc=datetime(2027, 1, 1, tzinfo=UTC))
    assert not write(tmp_path, records({}), day=later).changed
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()
    } == before


def test_a_file_that_was_touched_is_written_again(tmp_path: Path) -> None:
    written = write(tmp_path, records({}))
    written.path.write_bytes(b"edited")
    assert write(tmp_path, records({})).changed
    assert verify_file(written.path) == []


def test_chunks_do_not_change_the_file(tmp_path: Path) -> None:
    one, two = records({"record_id": "a"}), records({"record_id": "b"})
    whole = write(tmp_path / "whole", pl.concat([one, two]))
    assert write(tmp_path / "parts", one, two).sha256 == whole.sha256


def test_records_out_of_order_are_refused_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="out of order"):
        write(tmp_path, records({"record_id": "b"}), records({"record_id": "a"}))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.fault("D24")
@pytest.mark.parametrize("account_id", ["../x", "a/b", "", "x" * 65, "ü"])
def test_an_account_id_cannot_leave_its_folder(tmp_path: Path, account_id: str) -> None:
    with pytest.raises(ExportError):
        write(tmp_path, day=replace(DAY, account_id=account_id))


@pytest.mark.fault("D14")
@pytest.mark.parametrize("step", range(2))
def test_at_no_moment_does_a_manifest_describe_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    old = write(tmp_path, records({}))
    calls = 0
    real = Path.replace

    def dies(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls > step:
            raise OSError(5, "the machine stops here")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", dies)
    with pytest.raises(ExportError):
        write(tmp_path, records({}, {}))
    monkeypatch.undo()
    if manifest_path(old.path).exists():
        assert verify_file(old.path) == []
    assert [path.name for path in tmp_path.rglob("*.part")] == []
    assert write(tmp_path, records({}, {})).changed
    assert verify_file(old.path) == []


@pytest.mark.fault("D15")
def test_a_folder_that_cannot_be_written_is_an_error_with_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match="No space left") as raised:
        write(tmp_path, records({}))
    assert raised.value.exit_code == 8
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# verification


@pytest.mark.fault("D16")
def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, records({"caller_id_name": "abc"})).path
    path.write_bytes(path.read_bytes().replace(b"abc", b"abd"))
    assert [difference.partition(":")[0] for difference in verify_file(path)] == ["sha256"]


@pytest.mark.fault("D16")
@pytest.mark.parametrize(("key", "value"), [("rows", 9), ("totals", {}), ("bytes", 1), ("columns", [])])
def test_an_edited_manifest_is_found(tmp_path: Path, key: str, value: object) -> None:
    path = write(tmp_path, records({})).path
    note = manifest_path(path)
    note.write_bytes(orjson.dumps(orjson.loads(note.read_bytes()) | {key: value}))
    assert [difference.partition(":")[0] for difference in verify_file(path)] == [key]


def test_a_tree_is_checked_whole(tmp_path: Path) -> None:
    first = write(tmp_path, records({})).path
    second = write(tmp_path, records({}), day=replace(DAY, business_date=date(2026, 3, 3))).path
    manifest_path(first).unlink()
    second.unlink()
    found = verify_tree(tmp_path)
    assert set(found) == {first, second}
    assert all(found.values())
