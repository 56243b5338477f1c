"""The scan after every test finds what it looks for."""

import gzip
from pathlib import Path

import pytest

from tests.support.canaries import leaks_in, leaks_in_log

pytestmark = pytest.mark.plants_canaries


def test_a_token_is_found_in_plain_and_packed_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x simulated-token-1 y")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"CANARY_TOK"))
    assert sorted(leaks_in(tmp_path)) == ["a.txt: token", "b.gz: token"]


def test_the_session_folder_may_hold_tokens(tmp_path: Path) -> None:
    (tmp_path / "session").mkdir()
    (tmp_path / "session" / "a.json").write_bytes(b"simulated-token-1")
    assert leaks_in(tmp_path) == []


def test_numbers_and_names_are_found_in_dagsters_storage_and_in_logs(tmp_path: Path) -> None:
    (tmp_path / "dagster_home").mkdir()
    (tmp_path / "dagster_home" / "runs.db").write_bytes(b"..+12125550142..")
    (tmp_path / "export.csv").write_bytes(b"+12125550142")
    assert leaks_in(tmp_path) == ["dagster_home/runs.db: personal data"]
    assert leaks_in_log("call of Zoë Example") == ["personal data"]
