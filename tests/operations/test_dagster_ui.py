"""The Dagster UI as an operator uses it, in a real browser: each run is started from the page."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.warehouse.ledger import Account
from tests.support.canaries import leaks_in
from tests.support.databases import copied_database
from tests.support.listeners import Taken, smtp_server, webhook
from tests.support.nights import records_of, truth_of
from tests.support.outside_server import emptied
from tests.support.services import free_port

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra browser)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--headless", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
)  # fmt: skip
# On a machine that does much else, a run takes minutes.
PATIENCE_SECONDS = 500
PROGRAM = Path(__file__).parents[1] / "support/dagster_page.py"
# All have ended in every time zone.
DAYS = [datetime.now(UTC).date() - timedelta(days=number) for number in range(9, 1, -1)]
PUBLIC_URL = "https://cdr.example.com"


@dataclass
class Operator:
    """A person at the page, and what that person can look at behind it."""

    page: Any
    address: str
    ctx: RunContext
    switch: SimulatedSwitch
    failing: set[str]
    instance: dg.DagsterInstance
    hook: Taken
    inbox: Taken

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def see(self, *texts: str) -> None:
        """Waits until the page shows these texts."""
        for text in texts:
            self.page.get_by_text(text).first.wait_for()

    def materialize(
        self, days: str, *, tag: tuple[str, str] | None = None, config: str = "", again: bool = False
    ) -> None:
        """Starts the job ``nightly`` from its page.

        Args:
            days: day or range, as it is typed.
            tag: tag of the run.
            config: config of the run.
            again: only failed and missing days.
        """
        self.open("/locations/cdr_pipeline/jobs/nightly")
        self.page.get_by_role("button", name="Materialize all").click()
        dialog = self.page.get_by_role("dialog").first
        launch = dialog.get_by_role("button", name="Launch")
        # What is typed before the days are known is forgotten.
        dialog.get_by_text("Showing 9 of 9 partitions").wait_for()
        chosen = dialog.locator("input[type=text]").first
        chosen.fill(days)
        chosen.press("Enter")
        dialog.get_by_text("3 partitions" if "..." in days and not again else "1 partition").first.wait_for()
        if tag is not None:
            dialog.get_by_text("Tags", exact=True).click()
            dialog.get_by_role("button", name="Add tags").click()
            tags = self.page.get_by_role("dialog").last
            tags.get_by_placeholder("Tag Key").fill(tag[0])
            tags.get_by_placeholder("Tag Value").fill(tag[1])
            tags.get_by_role("button", name="Apply").click()
            dialog.get_by_text(f"{tag[0]}: {tag[1]}").wait_for()
        if config:
            dialog.get_by_text("Config", exact=True).click()
            dialog.get_by_role("button", name="Add config").click()
            editor = self.page.get_by_role("dialog").last
            editor.locator(".CodeMirror").first.click()
            self.page.keyboard.insert_text(config)
            editor.get_by_role("button", name="Save config").click()
            dialog.get_by_text("Config saved").wait_for()
        if again:
            dialog.get_by_text("Backfill only failed and missing partitions").click()
        launch.click()

    @contextmanager
    def one_run(self) -> Iterator[list[dg.DagsterRun]]:
        """The run that is started in the block, after it has ended."""
        before = {run.run_id for run in self.instance.get_runs()}
        started: list[dg.DagsterRun] = []
        yield started
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not started:
            assert time.monotonic() < deadline, self.page.inner_text("body")[-2000:]
            started += [run for run in self.instance.get_runs() if run.run_id not in before and run.is_finished]
            time.sleep(0.1)
        assert len(started) == 1

    def materialized(self, asset: str, day: date) -> str:
        """What the page of an asset shows of a day, as soon as it shows that the day is materialized."""
        self.open(f"/assets/{asset}?view=partitions&partition={day}")
        # The number of days is shown at once as "Materialized (3)".
        self.page.get_by_text("Materialized", exact=True).first.wait_for()
        return str(self.page.inner_text("body"))


@pytest.fixture(scope="module")
def operator(
    request: pytest.FixtureRequest, outside_url: str | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """One web server with its daemon, one browser and one switch for all tests; each test has days of its own."""
    folder = tmp_path_factory.mktemp("dagster_ui")
    failing: set[str] = set()
    switch = replace(SimulatedSwitch.build(calls_per_day=6, accounts=2), failing=failing)  # type: ignore[arg-type]
    with ExitStack() as stack:
        if outside_url is None:
            url = stack.enter_context(copied_database(request.getfixturevalue("embedded_server")))
        else:
            url = emptied(outside_url)
        running, hook, inbox = (stack.enter_context(made) for made in (run_switch(switch), webhook(), smtp_server()))
        settings = Settings(
            data_dir=folder / "data", warehouse_url=url, DAGSTER_HOME=folder / "home", upload_settle_seconds=0,
            api_url=running.url, api_token=SecretStr(switch.token), first_date=str(DAYS[0]),
        )  # fmt: skip
        ctx = RunContext.open(settings)
        with ctx.ledger() as ledger:
            for account in switch.accounts:
                ledger.accounts.add(
                    Account(account.account_id, account.name, time_zone=account.time_zone), now=ctx.clock()
                )
        environment = {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DAGSTER_HOME": str(settings.dagster_home),
            "CDR_DATA_DIR": str(settings.data_dir),
            "CDR_WAREHOUSE_URL": url,
            "CDR_API_URL": running.url,
            "CDR_API_TOKEN": switch.token,
            "CDR_API_REQUESTS_PER_SECOND": "1000",
            "CDR_FIRST_DATE": str(DAYS[0]),
            "CDR_STEP_RETRY_SECONDS": "0",
            "CDR_COLLECT_REREAD_DAYS": "0",
            "CDR_PUBLIC_URL": PUBLIC_URL,
            "CDR_ALERT_WEBHOOK_URL": hook.url,
            "CDR_ALERT_SMTP_URL": inbox.url,
            "CDR_ALERT_MAIL_TO": "night@example.com",
        }
        address = stack.enter_context(_shown(os.environ | environment, folder))
        play = stack.enter_context(playwright.sync_playwright())
        page = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS)).new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(settings.dagster_home)))
        yield Operator(page, address, ctx, switch, failing, instance, hook, inbox)
    assert leaks_in(folder) == []


@contextmanager
def _shown(environment: dict[str, str], folder: Path) -> Iterator[str]:
    """Address of Dagster's web server, which ends with the block."""
    port, log = free_port(), folder / "page.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(port)],
            env=environment, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, cwd=folder,
        )  # fmt: skip
    assert process.stdin
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        address = f"http://127.0.0.1:{port}"
        while True:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            with suppress(OSError), urllib.request.urlopen(f"{address}/server_info", timeout=5):  # noqa: S310
                break
            time.sleep(0.1)
        yield address
    finally:
        process.stdin.close()
        process.wait(60)


def test_a_night_from_the_page_collects_the_day_and_shows_it(operator: Operator) -> None:
    day = DAYS[0]
    with operator.one_run() as runs:
        operator.materialize(str(day))
    operator.open("/runs")
    operator.see("nightly", f"partition: {day}", "cdr/accounts_done: 2", "cdr/accounts_failed: 0", "cdr/night: ")
    assert runs[0].status is dg.DagsterRunStatus.SUCCESS
    assert set(records_of(operator.ctx, day)) == truth_of(operator.switch, day)
    operator.materialized("api_pages", day)
    # The plot, and the table behind it.
    operator.page.get_by_text("[Show Markdown]").first.click()
    operator.see(*(account.name for account in operator.switch.accounts))


def test_a_backfill_of_three_days_is_one_run(operator: Operator) -> None:
    days = DAYS[1:4]
    with operator.one_run() as runs:
        operator.materialize(f"[{days[0]}...{days[-1]}]")
    operator.open("/runs?view=backfills")
    operator.see("3 partitions")
    assert runs[0].status is dg.DagsterRunStatus.SUCCESS
    for day in days:
        assert set(records_of(operator.ctx, day)) == truth_of(operator.switch, day)
    assert "verdict" in operator.materialized("night_report", days[-1])


def test_a_failed_night_is_told_and_repeated_by_failed_and_missing(operator: Operator) -> None:
    day, failed = DAYS[4], operator.switch.accounts[1]
    operator.failing.add(failed.account_id)
    with operator.one_run() as runs:
        operator.materialize(str(day))
    operator.failing.clear()
    assert runs[0].status is dg.DagsterRunStatus.FAILURE
    operator.open("/runs")
    operator.see("Failure", "cdr/accounts_done: 1", "cdr/accounts_failed: 1", "cdr/cause: 1 account: ")
    operator.open(f"/assets/night_report?view=partitions&partition={day}")
    operator.see("Failed (1)")
    # The sensor for failed runs tells both channels, with the cause.
    alerts = _first(operator.hook), _first(operator.inbox)
    assert f"nightly of {day} failed" in alerts[0]["text"]
    assert "HTTP 503" in alerts[0]["text"]
    assert f"nightly of {day} failed" in alerts[1]
    with operator.one_run() as runs:
        operator.materialize(str(day), again=True)
    assert runs[0].status is dg.DagsterRunStatus.SUCCESS
    assert set(records_of(operator.ctx, day)) == truth_of(operator.switch, day)
    assert "verdict" in operator.materialized("night_report", day)


@pytest.mark.parametrize(
    ("number", "how"), [(5, "tag"), pytest.param(6, "config", marks=pytest.mark.exhaustive)], ids=["tag", "config"]
)
def test_a_night_of_one_account_is_chosen_by(operator: Operator, number: int, how: str) -> None:
    day, account = DAYS[number], operator.switch.accounts[0].account_id
    with operator.one_run() as runs:
        if how == "tag":
            operator.materialize(str(day), tag=("cdr/accounts", account))
        else:
            operator.materialize(str(day), config=f"resources: {{scope: {{config: {{accounts: [{account}]}}}}}}")
    assert runs[0].tags["cdr/accounts_done"] == "1"
    assert {record[0] for record in records_of(operator.ctx, day)} == {account}
    assert set(records_of(operator.ctx, day)) == {item for item in truth_of(operator.switch, day) if item[0] == account}


def test_a_sealed_day_is_restated_from_the_page_of_late_data(operator: Operator, tmp_path: Path) -> None:
    day, account, ctx = DAYS[7], operator.switch.accounts[0].account_id, operator.ctx
    collect_day(CollectRequest(day), ctx)
    load_day(LoadRequest(day), ctx)
    export_days(ExportRequest([day]), ctx)
    seal_days(SealRequest([day], override=Override("a person", "for the test")), ctx)
    late = tmp_path / "late.csv"
    late.write_text(f"id,start_time,caller,callee,duration\nx,{day} 12:00:00,a,b,5\n")
    import_upload(UploadRequest(late, account, "generic", "UTC"), ctx)
    with operator.one_run() as runs:
        operator.open("/locations/cdr_pipeline/jobs/late_data/playground")
        operator.page.get_by_role("button", name="Launch run").first.click()
    assert runs[0].status is dg.DagsterRunStatus.SUCCESS
    versions = {path.name for path in ctx.settings.export_dir.rglob(f"*{day}*.csv") if account in str(path)}
    assert any("_v1" in name for name in versions)
    assert any("_v2" in name for name in versions)
    operator.open("/runs")
    operator.see("late_data", "Success")


def _first(taken: Taken) -> Any:
    """What a channel was told first."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not taken.bodies:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return taken.bodies[0]
