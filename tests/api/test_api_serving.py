"""The command that serves, as an operator starts it."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import know, listening, serving, store, token_for

CALL = "from cdr_pipeline.cli import main; main()"


@pytest.mark.parametrize(
    ("revision", "code"), [("0001", "warehouse_not_migrated"), ("9999", "warehouse_newer_than_code")]
)
def test_tables_of_another_version_are_not_ready(ctx: RunContext, revision: str, code: str) -> None:
    with serving(ctx) as api:
        assert httpx2.get(f"{api.url}/readyz").status_code == 200
        with ctx.ledger() as ledger:
            (found,) = ledger.connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
            ledger.connection.execute("UPDATE alembic_version SET version_num = %s", [revision])
            answer = httpx2.get(f"{api.url}/readyz")
            ledger.connection.execute("UPDATE alembic_version SET version_num = %s", [found])
        assert (answer.status_code, answer.json()) == (503, {"status": code})
        assert answer.headers["Retry-After"] == "5"
        assert httpx2.get(f"{api.url}/readyz").status_code == 200


@pytest.mark.parametrize(
    ("proxies", "seen"),
    [("", "127.0.0.1"), ("10.0.0.1", "127.0.0.1"), ("127.0.0.1", "192.0.2.7"), ("127.0.0.0/8", "192.0.2.7")],
)
def test_an_address_that_a_proxy_forwards_is_believed_by_setting(proxies: str, seen: str) -> None:
    async def app(scope: Scope, _: Receive, send: Send) -> None:
        await PlainTextResponse(scope["client"][0])(scope, _, send)

    with listening(app, proxies) as url:
        assert httpx2.get(url, headers={"X-Forwarded-For": "192.0.2.7"}).text == seen


@pytest.mark.slow
def test_several_processes_serve_together_and_add_up_their_figures(ctx: RunContext, tmp_path: Path) -> None:
    know(ctx)
    store(ctx, "self", {})
    token = token_for(RunContext(ctx.settings, ctx.url), "self")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", CALL, "serve", "--port", str(port), "--workers", "2"],
        env=os.environ | {"CDR_WAREHOUSE_URL": ctx.url, "CDR_DATA_DIR": str(tmp_path / "data")},
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        base = f"http://127.0.0.1:{port}"
        _wait_until_ready(base)
        for _ in range(20):
            answer = httpx2.get(
                f"{base}/v2/accounts/self/cdrs", params={"business_date": "2026-03-02"}, headers={"X-Auth-Token": token}
            )
            assert len(answer.json()["data"]) == 1
        figures = httpx2.get(f"{base}/metrics").text
        (line,) = (line for line in figures.splitlines() if "requests_total{" in line and 'account_id}/cdrs"' in line)
        assert float(line.rsplit(" ", 1)[1]) == 20
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_ready(base: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{base}/readyz").status_code == 200:
                return
        except httpx2.HTTPError:
            time.sleep(0.2)
    raise AssertionError("the API did not become ready")
