"""A backfill of three days from the Dagster UI in a browser, with all processes of ``cdr-pipeline ui``.

What an operator does at the page is in test_dagster_ui, with one process.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.run_context import RunContext
from tests.support.nights import playing, records_of, require_sound, truth_of

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra browser)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--headless", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
)  # fmt: skip
# Several processes import the definitions one after the other; on a busy machine each takes many seconds.
PATIENCE_SECONDS = 150


@contextmanager
def shown(environment: dict[str, str], folder: Path) -> Iterator[str]:
    """The address of ``cdr-pipeline ui``; it and everything that it started is gone afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from cdr_pipeline.cli import main; main()", "ui", "--port", str(port)],
            env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_for(f"http://127.0.0.1:{port}/server_info", process, folder / "ui.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - the address is this test's own
                return
        except OSError:
            time.sleep(0.5)


def test_a_backfill_from_the_page_runs_in_processes_of_its_own(ctx: RunContext, tmp_path: Path) -> None:
    # The dialog offers the last 90 days at first.
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    days = [yesterday - timedelta(days=number) for number in (3, 2, 1)]
    switch = SimulatedSwitch.build(calls_per_day=10, accounts=2)
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DAGSTER_HOME": str(place.settings.dagster_home),
            "CDR_DATA_DIR": str(place.settings.data_dir),
            "CDR_WAREHOUSE_URL": ctx.url,
            "CDR_API_URL": running.url,
            "CDR_API_TOKEN": switch.token,
            "CDR_API_REQUESTS_PER_SECOND": "1000",
            "CDR_FIRST_DATE": days[0].isoformat(),
        }
        with shown(environment, tmp_path) as address, playwright.sync_playwright() as play:
            page = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS)).new_page()
            page.set_default_timeout(PATIENCE_SECONDS * 1000)
            page.goto(f"{address}/locations/cdr_pipeline/jobs/nightly")
            page.get_by_role("button", name="Materialize all").click()
            launch = page.get_by_role("button", name="Launch backfill")
            for _ in range(30):
                # What is typed before the days are known is forgotten.
                chosen = page.get_by_role("dialog").locator("input[type=text]").first
                chosen.fill(f"[{days[0]}...{days[-1]}]")
                chosen.press("Enter")
                page.wait_for_timeout(1000)
                if launch.is_enabled():
                    break
            launch.click()
            page.goto(f"{address}/runs?view=backfills")
            page.get_by_text("3 partitions").first.wait_for()
            page.get_by_text("Success", exact=True).first.wait_for()
            for name in ("api_pages", "uploads", "cdr", "rejects", "daily_files"):
                page.goto(f"{address}/assets/{name}?view=events")
                page.get_by_text(days[-1].isoformat()).first.wait_for()
                page.get_by_text("Metadata", exact=True).first.wait_for()
    for day in days:
        assert set(records_of(place, day)) == truth_of(switch, day)
    require_sound(place)
