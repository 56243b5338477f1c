"""Workers of a real server are killed with SIGKILL; others continue what they had begun in the background."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from cdr_pipeline.steps.run_context import RunContext
from tests.support.served_processes import served_processes, wait_until
from tests.support.serving import STARTED, know, store, token_for

YEAR = {"created_from": "2026-01-01T00:00:00Z", "created_to": "2026-12-31T23:59:59Z", "ascending": "true"}
CALLS = [{"started_at": STARTED + timedelta(days=day), "duration_seconds": "30"} for day in range(60)]


@pytest.mark.slow
def test_another_worker_makes_the_extract_of_a_killed_one(ctx: RunContext, tmp_path: Path) -> None:
    know(ctx)
    store(ctx, "self", *CALLS)
    token = token_for(RunContext(ctx.settings, ctx.url), "self")
    folder = ctx.settings.extract_dir / "self"
    with served_processes(ctx, tmp_path, CDR_SERVE_EXTRACT_SECONDS="0.5") as server:
        with httpx2.Client(base_url=server.url, headers={"X-Auth-Token": token}, timeout=30) as client:
            with psycopg.connect(ctx.url) as locking:
                # The statement of the first slice waits.
                locking.execute("LOCK TABLE cdr_links IN ACCESS EXCLUSIVE MODE")
                response = client.post("/v2/accounts/self/extracts", json={"data": {"parameters": YEAR}})
                path = response.headers["location"]
                wait_until(lambda: _state(client, path)["slices"] > 0, 60)
                (part,) = folder.iterdir()
                server.kill_workers()
                server.until_ready()
                assert (_state(client, path)["state"], part.exists()) == ("running", True)
            wait_until(lambda: _state(client, path)["state"] != "running", 120)
            state = _state(client, path)
            assert (state["state"], state["rows"]) == ("ready", 60)
            rows = client.get(f"{path}/file").content.splitlines()
    assert (len(rows), len(set(rows))) == (61, 61)
    assert len(list(folder.iterdir())) == 1


def _state(client: httpx2.Client, path: str) -> dict[str, Any]:
    return client.get(path).json()["data"]
