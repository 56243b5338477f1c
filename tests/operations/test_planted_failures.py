"""Planted failures: doctor names each in plain words, and the commands that it prints end it."""

import json
import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from shutil import disk_usage
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.jobs import NIGHTLY
from cdr_pipeline.defs.partitions import PARTITION_TAG
from cdr_pipeline.defs.process import PROCESS_TAG
from cdr_pipeline.settings import load_settings
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.commands import run_command
from tests.support.databases import copied_database

# About a dozen nights of the whole job.
pytestmark = pytest.mark.slow

# The last day that has ended everywhere: the operator is west of every account.
ZONE = "Etc/GMT+12"
DAY = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
OLD = DAY - timedelta(days=10)
NOBODY = "127.0.0.1:9"
HEADER = "id,start_time,caller,callee,duration\n"
ACME_HEADER = "id,start,caller,callee,seconds\n"
CARRIER = """\
native_id = ["id"]
[time]
formats = ["%Y-%m-%d %H:%M:%S"]
zone = "UTC"
[fields]
started_at = "start"
caller_id_number = "caller"
callee_id_number = "callee"
duration_seconds = "seconds"
billing_seconds = "seconds"
[constants]
carrier = "acme"
call_direction = "outbound"
"""
SERIES = """
[control]
name = '^acme_(?P<date>\\d{8})\\.csv$'
every = "day"
"""
RECONCILED = """
[reconcile]
carrier = "acme"
compare_amounts = false
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """What an operator has: a folder, settings in the environment, and the command line."""

    folder: Path
    environment: dict[str, str]
    switch: SimulatedSwitch

    def run(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        return run_command(*arguments, environment=self.environment | settings)

    def done(self, *arguments: str, **settings: str) -> str:
        result = self.run(*arguments, **settings)
        assert result.returncode == 0, (arguments, result.stdout, result.stderr)
        return result.stdout

    def problems(self) -> list[dict[str, Any]]:
        result = self.run("doctor", "--json")
        found = json.loads(result.stdout)["problems"]
        assert result.returncode == (11 if found else 0), result.stderr
        return found

    def carry_out(self, command: str, words: dict[str, str]) -> None:
        """Runs a command as it was printed, with words for the names in capitals."""
        for name, value in words.items():
            command = re.sub(rf"(?<=\s){name}\b", shlex.quote(value), command)
        assert re.search(r"\s[A-Z]{2,}(\s|$)", command) is None, command
        for part in command.split(" && "):
            if part.startswith("cdr-pipeline "):
                self.done(*shlex.split(part)[1:])
            else:
                self.shell(part)

    @staticmethod
    def shell(command: str) -> str:
        """Runs a command that is not of the product."""
        return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout  # noqa: S602

    def file(self, name: str, *lines: str, header: str = HEADER) -> str:
        """A file of a carrier, and its path."""
        path = self.folder / name
        path.write_text(header + "".join(f"{line}\n" for line in lines))
        return str(path)

    def bring(self, name: str, *lines: str, profile: str = "generic", account: int = 0, header: str = HEADER) -> int:
        """Imports a file; returns the exit code."""
        path = self.file(name, *lines, header=header)
        return self.run("import", path, "--account", self.account(account), "--profile", profile).returncode

    def account(self, number: int) -> str:
        return self.switch.accounts[number].account_id


@pytest.fixture(scope="module")
def desk(embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """An installation after its first night, on which nothing is broken."""
    folder = tmp_path_factory.mktemp("desk")
    data = folder / "data"
    data.mkdir()
    small = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", data], capture_output=True, check=False)
    switch = SimulatedSwitch.build(accounts=2, calls_per_day=4)
    try:
        with copied_database(embedded_server, "planted") as url, run_switch(switch) as running:
            made = Desk(
                folder,
                {
                    "CDR_WAREHOUSE_URL": url,
                    "CDR_DATA_DIR": str(data),
                    "DAGSTER_HOME": str(folder / "dagster"),
                    "CDR_API_URL": running.url,
                    "CDR_API_TOKEN": switch.token,
                    "CDR_API_DIALECT": "v2_k43",
                    "CDR_API_REQUESTS_PER_SECOND": "10000",
                    "CDR_TIME_ZONE": ZONE,
                    "CDR_UPLOAD_SETTLE_SECONDS": "0",
                    "CDR_STEP_RETRY_SECONDS": "0",
                },
                switch,
            )
            made.done("accounts", "sync", "--root", made.account(0))
            for day in (OLD, DAY):
                made.done("collect", "--date", str(day))
            made.done("export", "--date", str(OLD), "--date", str(DAY))
            made.done("days", "seal", "--date", str(OLD))
            yield made
    finally:
        if small.returncode == 0:
            subprocess.run(["umount", "-l", data], check=False)


@pytest.fixture(autouse=True)
def _a_small_and_quick_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdr_pipeline.defs.operations.doctor.QUIET", timedelta(0))
    # The disk of the test is small.
    monkeypatch.setattr("cdr_pipeline.steps.operations.disk.LEAST_FREE_BYTES", 4_000_000)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure.

    Attributes:
        plant: makes it; returns words for the names in capitals of its command.
        code: code of the problem.
        words: words that name it and its cause.
        command: first words of the command that ends it.
    """

    plant: Callable[[Desk], dict[str, str]]
    code: str
    words: tuple[str, ...]
    command: str


def dead_switch(desk: Desk) -> dict[str, str]:
    assert desk.run("collect", "--date", str(DAY), CDR_API_URL=f"http://{NOBODY}").returncode == 9
    return {}


def wrong_key(desk: Desk) -> dict[str, str]:
    assert desk.run("collect", "--date", str(DAY), CDR_API_TOKEN="wrong").returncode == 9
    return {}


def forbidden_account(desk: Desk) -> dict[str, str]:
    refusing = replace(desk.switch, forbidden=frozenset({desk.account(1)}))
    with run_switch(refusing) as running:
        assert desk.run("collect", "--date", str(DAY), CDR_API_URL=running.url).returncode == 9
    return {}


def missing_file(desk: Desk) -> dict[str, str]:
    profiles = Path(desk.environment["CDR_DATA_DIR"]) / "profiles"
    profiles.mkdir(exist_ok=True)
    (profiles / "acme.toml").write_text(CARRIER + SERIES)
    for day in (DAY - timedelta(days=2), DAY, DAY + timedelta(days=1)):
        assert desk.bring(*acme(day, "a"), profile="acme", header=ACME_HEADER) == 0
    return {"FILE": desk.file(*acme(DAY - timedelta(days=1), "a"), header=ACME_HEADER)}


def held_upload(desk: Desk) -> dict[str, str]:
    lines = [f"h{number},{DAY} 10:0{number}:00,a,b,5" for number in range(4)]
    assert desk.bring("first.csv", *lines) == 0
    assert desk.bring("again.csv", *reversed(lines)) != 0
    return {"NAME": "ops"}


def red_reconciliation(desk: Desk) -> dict[str, str]:
    (Path(desk.environment["CDR_DATA_DIR"]) / "profiles" / "red.toml").write_text(CARRIER + RECONCILED)
    name, line = acme(DAY, "r")
    desk.bring(name, line, profile="red", account=1, header=ACME_HEADER)
    desk.run("reconcile", "--date", str(DAY))
    return {"NAME": "ops", "TEXT": "a test call", "DECISION": "accepted"}


def late_data(desk: Desk) -> dict[str, str]:
    assert desk.bring("late.csv", f"late,{OLD} 12:00:00,a,b,5", account=1) == 0
    return {"NAME": "ops", "WHY": "late records"}


def killed_run(desk: Desk) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in desk.environment.items():
            patch.setenv(name, value)
        settings = load_settings()
    ended = subprocess.Popen(["true"])
    ended.wait()
    tags = {PARTITION_TAG: str(DAY), PROCESS_TAG: f"{socket.gethostname()}:{ended.pid}:1"}
    job = build_definitions(settings).resolve_job_def(NIGHTLY)
    with open_instance(settings) as instance:
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    return {}


def acme(day: date, mark: str) -> tuple[str, str]:
    """Name and only line of the carrier's file of a day."""
    return f"acme_{day:%Y%m%d}.csv", f"{mark}{day:%d},{day} 10:00:00,+15550100001,+15550100002,60"


FAILURES = {
    "a dead switch": Failure(dead_switch, "upstream_transient", ("connection refused", NOBODY), "cdr-pipeline nightly"),
    "a wrong key": Failure(wrong_key, "upstream_auth", ("401", "CDR_API_TOKEN"), "cdr-pipeline accounts sync"),
    "one account forbidden": Failure(forbidden_account, "upstream_auth", ("403", "access"), "cdr-pipeline nightly"),
    "a missing carrier file": Failure(
        missing_file, "file_missing", ("no file of profile acme",), "cdr-pipeline import"
    ),
    "a held upload": Failure(
        held_upload, "upload_held", ("repeats another file and waits for a decision",), "cdr-pipeline uploads release"
    ),
    "a red reconciliation": Failure(red_reconciliation, "reconciliation_red", ("red",), "cdr-pipeline breaks decide"),
    "late data": Failure(late_data, "restatement_due", ("after the day was sealed",), "cdr-pipeline days restate"),
    "a killed run": Failure(killed_run, "run_without_process", ("process is gone",), "cdr-pipeline doctor --fix"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_planted_failure_is_named_and_ended_by_its_command(desk: Desk, failure: Failure) -> None:
    assert desk.problems() == []
    words = failure.plant(desk)
    found = desk.problems()
    (problem,) = found
    assert problem["code"] == failure.code
    assert [word for word in failure.words if word not in problem["what"]] == []
    assert problem["fix"].startswith(failure.command)
    desk.carry_out(problem["fix"], words)
    assert desk.problems() == []
    assert "Good" in desk.done("status", "--night", "--to", str(DAY))


def test_a_full_disk_is_named_and_its_command_shows_what_fills_it(desk: Desk) -> None:
    data = Path(desk.environment["CDR_DATA_DIR"])
    if not data.is_mount():
        pytest.skip("this machine does not let the test mount a small disk")
    filler = data / "exports" / "old_copies.bin"
    filler.write_bytes(bytes(disk_usage(data).free))
    # A day that was not collected yet: pages that are known need no space.
    night = desk.run("nightly", "--date", str(OLD - timedelta(days=1)))
    found = desk.problems()
    assert night.returncode == 9
    assert "No space left on device" in night.stderr
    (full,) = [problem for problem in found if problem["code"] == "disk_full_soon"]
    shown = desk.shell(full["fix"])
    (failed,) = [problem for problem in found if problem["code"] == "folder_not_writable"]
    assert "No space left on device" in failed["what"]
    assert str(filler.parent) in shown
    filler.unlink()
    for problem in desk.problems():
        desk.carry_out(problem["fix"], {})
    assert desk.problems() == []
    assert "Good" in desk.done("status", "--night", "--to", str(DAY))


def test_a_stopped_database_is_named_with_its_address(desk: Desk) -> None:
    stopped = {"CDR_WAREHOUSE_URL": "postgresql://cdr@127.0.0.1:9/cdr"}
    for command in (("doctor",), ("status",), ("nightly", "--date", str(DAY))):
        result = desk.run(*command, **stopped)
        assert result.returncode == 3
        assert '"127.0.0.1", port 9 failed: Connection refused' in result.stderr
    assert desk.problems() == []
