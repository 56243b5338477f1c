"""What the offline check finds, and how it says it."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from cdr_pipeline.exports import verify
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.verify import verify_file, verify_tree
from tests.support.daily_files import DAY, NASTY, records, write

CANARY = "+15550109876"


def keys(path: Path) -> list[str]:
    """The manifest keys that the check complains of."""
    return [difference.partition(":")[0] for difference in verify_file(path)]


def edit(path: Path, **changes: Any) -> None:
    """Edits the manifest of a file, as a forger would."""
    note = manifest_path(path)
    note.write_bytes(orjson.dumps(orjson.loads(note.read_bytes()) | changes))


def forge(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Changes a file and makes size and hash of its manifest fit."""
    content = change(path.read_bytes())
    path.write_bytes(content)
    edit(path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A daily file of two rows."""
    return write(
        tmp_path,
        records(
            {"caller_id_number": CANARY, "cost": Decimal("0.5"), "cost_currency": "USD", "answered": True},
            {"origin": "imported"},
        ),
    ).path


def test_awkward_names_do_not_disturb_the_check(tmp_path: Path) -> None:
    frame = records(*({"caller_id_name": text} for text in NASTY))
    assert verify_file(write(tmp_path, frame).path) == []


@pytest.mark.parametrize("folder", ["with space", "[brackets]", "star*", "ünï"])
def test_a_folder_may_have_any_name(tmp_path: Path, folder: str) -> None:
    written = write(tmp_path / folder, records({}))
    assert verify_tree(tmp_path / folder) == {written.path: []}


def test_a_missing_file_and_a_missing_manifest_are_found(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    assert keys(path) == ["file"]
    path.write_bytes(content)
    manifest_path(path).unlink()
    assert "manifest.json cannot be read: No such file" in verify_file(path)[0]


def test_a_renamed_file_is_found(path: Path) -> None:
    other = path.with_name("cdrs_acct_2026-03-02_v2.csv")
    manifest_path(path).rename(manifest_path(other))
    path.rename(other)
    assert keys(other) == ["file"]


@pytest.mark.fault("D16")
def test_a_cut_file_is_found_by_size_hash_and_rows(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert keys(path) == ["bytes", "sha256", "rows"]


@pytest.mark.fault("D16")
@pytest.mark.parametrize("content", [b"", b'a,b\r\n"open', b"\xff\xfe\x00", b"\r\n\r\n"])
def test_a_file_of_anything_is_a_difference_not_a_crash(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert {"bytes", "sha256", "columns", "rows"} >= set(keys(path)) >= {"bytes", "sha256", "columns"}


@pytest.mark.fault("D16")
@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"account_id": "other"}, "file"),
        ({"version": 2}, "file"),
        ({"business_date": "2026-03-03"}, "file"),
        ({"business_date": "yesterday"}, "window"),
        ({"time_zone": "UTC"}, "window"),
        ({"time_zone": "Nowhere/Land"}, "window"),
        ({"time_zone": "Europe"}, "window"),
        ({"time_zone": "../../etc/passwd"}, "window"),
        ({"window_start_utc": "2026-03-02T00:00:00Z"}, "window"),
        ({"window_end_utc": ""}, "window"),
        ({"dialect": "papyrus"}, "dialect"),
        ({"dialect": "spreadsheet"}, "rule"),
        ({"compression": "gzip"}, "file"),
        ({"supersedes": "0" * 64}, "supersedes"),
        ({"content_sha256": "0" * 64}, "content_sha256"),
        ({"next_time_zone": "Asia/Tokyo"}, "window"),
        ({"reasons": {"late": 1}}, "reasons"),
        ({"file": "another.csv"}, "file"),
        ({"sha256": "0" * 64}, "sha256"),
    ],
)
def test_a_manifest_at_odds_with_itself_or_its_file_is_found(path: Path, changes: dict[str, Any], found: str) -> None:
    edit(path, **changes)
    assert found in keys(path)


@pytest.mark.fault("D16")
def test_totals_that_differ_are_named_one_by_one(path: Path) -> None:
    totals = orjson.loads(manifest_path(path).read_bytes())["totals"]
    totals["api"]["cost"]["USD"] = "0.50000001"
    totals["imported"]["legs"] = 2
    edit(path, totals=totals)
    assert verify_file(path) == [
        "totals: the manifest says api cost USD: 0.50000001, the file 0.50000000; imported legs: 2, the file 1"
    ]


@pytest.mark.fault("D16")
def test_a_row_added_with_fitting_hash_is_found_by_count_and_totals(path: Path) -> None:
    forge(path, lambda content: content + content.splitlines(keepends=True)[-1])
    assert keys(path) == ["rows", "totals"]
    edit(path, rows=3)
    assert keys(path) == ["totals"]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [(b"acct,api", b"tcca,api", "account_id"), (b"2026-03-02,", b"2026-03-01,", "business_date")],
)
def test_rows_of_another_account_or_day_are_found(path: Path, old: bytes, new: bytes, found: str) -> None:
    forge(path, lambda content: content.replace(old, new, 1))
    assert keys(path) == [found]


def test_a_number_that_is_none_is_a_difference_not_a_crash(path: Path) -> None:
    forge(path, lambda content: content.replace(b"0.50000000", b"0.5.000000"))
    assert keys(path) == ["totals"]


def test_no_difference_quotes_the_file(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    for content in (b"".join(lines[1:]), lines[0] + b",".join([CANARY.encode()] * 63), CANARY.encode()):
        path.write_bytes(content)
        differences = verify_file(path)
        assert differences
        assert not any(CANARY[1:] in difference for difference in differences)


def test_a_file_that_cannot_be_read_is_a_difference(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(verify, "_byte_differences", refuse)
    assert verify_file(path) == ["file: it cannot be read: Permission denied"]


def test_many_rows_with_line_ends_in_their_text_are_counted_right(tmp_path: Path) -> None:
    frame = records({"caller_id_name": 'a\r\n"b,\n', "user_agent": "\r"}).join(
        pl.DataFrame({"number": range(60_000)}), how="cross"
    )
    frame = frame.with_columns(record_id=pl.col("number").cast(pl.String).str.zfill(6)).drop("number")
    written = write(tmp_path, *(frame[start : start + 25_000] for start in range(0, 60_000, 25_000)))
    assert (written.rows, verify_file(written.path)) == (60_000, [])


def test_a_tree_is_good_when_each_of_its_files_is(tmp_path: Path) -> None:
    days = [
        replace(DAY, business_date=date(2026, 3, 2)),
        replace(DAY, version=2, state="restated", supersedes="0" * 64),
    ]
    written = {write(tmp_path, records({}), day=day).path for day in days}
    assert verify_tree(tmp_path) == {path: [] for path in written}
