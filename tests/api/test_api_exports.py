"""Daily files over the API: what is listed is what was sealed, and what is fetched is proved by its manifest."""

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import know, serving, store

DAY = date(2026, 3, 2)
SPAN = {"from_date": "2026-03-01", "to_date": "2026-03-31"}


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """A sealed day of two calls, restated with a third."""
    know(ctx)
    store(ctx, "self", {}, {"cost": "0.5", "cost_currency": "USD"})
    seal_days(SealRequest([DAY], ["self"], Override("A. Controller", "checked")), ctx)
    late = datetime(2026, 3, 2, 20, tzinfo=UTC)
    store(ctx, "self", {"record_id": "late", "call_id": "late", "started_at": late})
    restate_days(RestateRequest("A. Controller", "late record", accounts=["self"]), ctx)
    return ctx


def listed(api: Any) -> dict[str, dict[str, Any]]:
    return {file["id"]: file for file in api.get("/v2/accounts/self/exports", **SPAN).json()["data"]}


def test_sealed_and_restated_files_are_listed_with_their_manifests(place: RunContext) -> None:
    with serving(place) as api:
        found = listed(api)
    assert sorted(found) == ["2026-03-02_v1_exact", "2026-03-02_v2_adjustment", "2026-03-02_v2_exact"]
    assert [found[name]["manifest"]["state"] for name in sorted(found)] == ["sealed", "restated", "restated"]
    assert found["2026-03-02_v2_exact"]["manifest"]["supersedes"] == found["2026-03-02_v1_exact"]["sha256"]
    for file in found.values():
        (path,) = place.settings.export_dir.rglob(file["file_name"])
        assert orjson.loads(manifest_path(path).read_bytes()) == file["manifest"]


def test_fetched_files_equal_sealed_ones_and_verify_without_warehouse(place: RunContext, tmp_path: Path) -> None:
    folder = tmp_path / "fetched"
    folder.mkdir()
    with serving(place) as api:
        for file_id, file in listed(api).items():
            answer = api.get(f"/v2/accounts/self/exports/{file_id}")
            assert answer.status_code == 200
            assert hashlib.sha256(answer.content).hexdigest() == file["sha256"] == answer.headers["X-Content-SHA256"]
            assert file["file_name"] in answer.headers["Content-Disposition"]
            (sealed,) = place.settings.export_dir.rglob(file["file_name"])
            assert answer.content == sealed.read_bytes()
            fetched = folder / file["file_name"]
            fetched.write_bytes(answer.content)
            note = orjson.dumps(file["manifest"], option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
            manifest_path(fetched).write_bytes(note + b"\n")
    verified = verify_tree(folder)
    assert len(verified) == 3
    assert not any(verified.values())


def test_a_file_that_was_cut_on_the_way_does_not_verify(place: RunContext, tmp_path: Path) -> None:
    with serving(place) as api:
        file = listed(api)["2026-03-02_v1_exact"]
        content = api.get("/v2/accounts/self/exports/2026-03-02_v1_exact").content
    fetched = tmp_path / file["file_name"]
    fetched.write_bytes(content[:-10])
    manifest_path(fetched).write_bytes(orjson.dumps(file["manifest"]))
    assert verify_tree(tmp_path)[fetched]
