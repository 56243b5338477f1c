"""The manifest as a file: one way to write it, no way to read a doubtful one."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import orjson
import pytest

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.manifest import encode_manifest, read_manifest, utc_text
from tests.support.daily_files import DAY, records, write


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A manifest on disk."""
    return manifest_path(write(tmp_path, records({})).path)


def test_what_is_written_is_what_is_read(note: Path) -> None:
    assert encode_manifest(read_manifest(note)) == note.read_bytes()


def test_it_is_json_for_people_too(note: Path) -> None:
    text = note.read_text(encoding="utf-8")
    found = orjson.loads(text)
    assert list(found) == sorted(found)
    assert text.endswith("}\n")
    assert text.startswith("{\n  ")


def test_it_says_who_made_it_and_when_apart_from_the_file(note: Path) -> None:
    found = orjson.loads(note.read_bytes())
    assert found["producer"].keys() == {"name", "version", "run_id"}
    assert found["producer"]["run_id"] == DAY.run_id
    assert found["created_utc"] == "2026-03-03T03:00:00Z"
    assert b"run-1" not in note.with_name(found["file"]).read_bytes()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("manifest_schema", 2), ("rows", "1"), ("rows", 1.0), ("bytes", True), ("columns", "a,b"), ("columns", [1]),
        ("totals", None), ("state", "final"), ("version", "1"), ("sha256", None), ("producer", []),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_and_named(note: Path, key: str, value: object) -> None:
    note.write_bytes(orjson.dumps(orjson.loads(note.read_bytes()) | {key: value}))
    with pytest.raises(ExportError, match=rf"not a manifest of schema 1: {key}"):
        read_manifest(note)


@pytest.mark.parametrize("key", ["manifest_schema", "sha256", "watermark_utc", "totals"])
def test_a_missing_key_is_refused_and_named(note: Path, key: str) -> None:
    found = orjson.loads(note.read_bytes())
    del found[key]
    note.write_bytes(orjson.dumps(found))
    with pytest.raises(ExportError, match=key):
        read_manifest(note)


def test_a_key_too_many_is_refused_and_named(note: Path) -> None:
    note.write_bytes(orjson.dumps(orjson.loads(note.read_bytes()) | {"note": "paid"}))
    with pytest.raises(ExportError, match="note"):
        read_manifest(note)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"file": ', b"\xff\xfe", b"{}"])
def test_what_is_no_manifest_is_refused(note: Path, content: bytes) -> None:
    note.write_bytes(content)
    with pytest.raises(ExportError, match="not a manifest of schema 1"):
        read_manifest(note)


def test_a_refusal_does_not_quote_the_values(note: Path) -> None:
    note.write_bytes(orjson.dumps(orjson.loads(note.read_bytes()) | {"rows": "+15550100123"}))
    with pytest.raises(ExportError) as refused:
        read_manifest(note)
    assert "5550100" not in str(refused.value)


def test_instants_are_utc_and_never_rounded_up() -> None:
    late = datetime(2026, 3, 2, 1, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert utc_text(late) == "2026-03-01T23:59:59Z"
    assert utc_text(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"
