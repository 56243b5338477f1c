"""A night of two Celery workers ends well whichever process is killed in it: as one process would have ended it."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvicorn
from pydantic import SecretStr

from cdr_pipeline.defs.operations.night import run_night
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator import running as simulator_running
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.run_context import RunContext, utc_now
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.databases import copied_database
from tests.support.late_answers import answering_late
from tests.support.nights import DAY, playing, require_sound
from tests.support.played import hashes, table_of_records
from tests.support.services import PATIENCE, Services, dagster_storage

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="no broker here: redis-server is not installed"),
    pytest.mark.skipif(find_spec("dagster_celery") is None, reason="the extra celery is not installed"),
    pytest.mark.skipif(find_spec("dagster_postgres") is None, reason="the extra postgres is not installed"),
]
LATENCY = 1.0
ACCOUNTS = SHARDS = 4
PHASES = ("api_pages", "load", "reconciliation", "daily_files", "sealed_days", "delivered_files")
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


def note(*words: object) -> None:
    """Writes what happens to the report of the test."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {' '.join(map(str, words))}\n")


def result_of(settings: Settings) -> tuple[list[Any], dict[str, str]]:
    """Records of the warehouse, and the sha256 of each daily file, which the file on the disk has."""
    files = hashes(settings)
    found = {sha256(path.read_bytes()).hexdigest() for path in settings.export_dir.rglob("*") if path.is_file()}
    assert files
    assert set(files.values()) <= found
    return table_of_records(settings), files


@dataclass
class Alone:
    """The same nights in one process, in a place of its own."""

    settings: Settings

    def after(self, day: date) -> tuple[list[Any], dict[str, str]]:
        """Records and files after one more night."""
        run_night(day, self.settings).require_whole()
        return result_of(self.settings)


@dataclass
class Cluster:
    """Broker, two workers, code server and daemon, and the switch that they collect from."""

    place: RunContext
    services: Services
    alone: Alone
    started: int = 0

    def start_worker(self) -> None:
        """One more worker."""
        self.started += 1
        self.services.start_worker(f"worker{self.started}", wait=False)

    def launch(self, day: date) -> None:
        """Queues the night; the daemon starts it."""
        tags, name = json.dumps({"dagster/partition": day.isoformat()}), f"launch_{day}"
        workspace = str(self.services.home / "workspace.yaml")
        command = ["dagster", "job", "launch", "-w", workspace, "-j", "nightly", "--tags", tags]
        log = self.services.log(name)
        assert self.services.run(name, *command).wait(PATIENCE) == 0, log.read_text(errors="replace")

    def interrupt(self, phase: str, *kills: Callable[[str], None]) -> None:
        """Stops a worker in the middle of a shard of a phase, calls each of ``kills`` with its name, continues it."""
        deadline = time.monotonic() + 4 * PATIENCE
        with psycopg.connect(self.place.url, autocommit=True) as connection:
            steps = partial(
                connection.execute, "SELECT step, process FROM step_leases WHERE step LIKE %s", [f"{phase}.%_shard%"]
            )
            while time.monotonic() < deadline:
                for step, process in steps().fetchall():
                    name = self._worker(process)
                    if name is None:
                        continue
                    group = self.services.running[name].pid
                    os.killpg(group, signal.SIGSTOP)
                    # Stopped in mid-step if it still has its lease.
                    if (step, process) in steps().fetchall():
                        note(f"{name} in {step}: {', '.join(kill.__name__ for kill in kills)}")
                        for kill in kills:
                            kill(name)
                        if self.services.running[name].poll() is None:
                            os.killpg(group, signal.SIGCONT)
                        return
                    os.killpg(group, signal.SIGCONT)
                time.sleep(0.02)
        raise AssertionError(f"no worker came to {phase}")

    def worker_dies(self, name: str) -> None:
        """Kills a worker; two minutes pass for its leases; another one is started."""
        processes = [f"%:{pid}:%" for pid in members(self.services.running[name].pid)]
        self.services.kill(name)
        self._pass_time(processes)
        self.start_worker()

    def broker_dies(self, _: str) -> None:
        """Kills the broker and starts it again; it has kept tasks and results."""
        self.services.kill("broker")
        self.services.start_broker()

    def broker_forgets(self, _: str) -> None:
        """Kills the broker and starts it again without tasks and results."""
        self.services.kill("broker")
        self.services.start_broker(keep=False)

    def daemon_dies(self, _: str) -> None:
        """Kills the daemon and starts it again."""
        self.services.kill("daemon")
        self.services.start_daemon()

    def coordinator_dies(self, _: str) -> None:
        """Kills the code server with the process that coordinates the run; two minutes pass for its lease."""
        processes = [f"%:{pid}:%" for pid in members(self.services.running["code"].pid)]
        self.services.kill("code")
        self._pass_time(processes)
        self.services.start_code()

    def states(self, day: date) -> list[str]:
        """States of all runs of the night, after the last one has ended and no other follows."""
        query = (
            "SELECT status FROM runs INNER JOIN run_tags USING (run_id) WHERE pipeline_name = 'nightly'"
            f" AND key = 'dagster/partition' AND value = '{day}' ORDER BY runs.id"
        )
        deadline, quiet = time.monotonic() + 40 * 60, 0
        while time.monotonic() < deadline:
            states = [row[0] for row in self.services.events(query)]
            if states and states[-1] == "SUCCESS" and set(states) <= ENDED:
                note("runs:", states)
                return states
            quiet = quiet + 1 if states and set(states) <= ENDED else 0
            # Run retries are started within a minute.
            assert quiet < 150, (states, self.services.log("daemon").read_text(errors="replace")[-3000:])
            time.sleep(2)
        raise AssertionError("the night does not end")

    def _pass_time(self, processes: list[str]) -> None:
        with psycopg.connect(self.place.url, autocommit=True) as connection:
            passed = connection.execute(
                "UPDATE step_leases SET renewed_at = renewed_at - interval '130 s' WHERE process LIKE ANY(%s)",
                [processes],
            )
        assert passed.rowcount

    def _worker(self, process: str) -> str | None:
        group = group_of(int(process.split(":")[1]))
        return next((name for name, running in self.services.running.items() if running.pid == group), None)


def group_of(pid: int) -> int | None:
    """Group of a process; None if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[2])
    except FileNotFoundError:
        return None


def members(group: int) -> list[int]:
    """Processes of a group."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if group_of(int(path.name)) == group]


@pytest.fixture(scope="module")
def switch() -> Iterator[tuple[SimulatedSwitch, str]]:
    """A switch that takes a second to answer for records, and its URL."""
    built = SimulatedSwitch.build(calls_per_day=20, accounts=ACCOUNTS)
    config = simulator_running.config

    def slowed(of: SimulatedSwitch, host: str, port: int) -> uvicorn.Config:
        made = config(of, host, port)
        made.app = answering_late(made.app, LATENCY)
        return made

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(simulator_running, "config", slowed)
        with run_switch(built) as running:
            yield built, running.url


@pytest.fixture(scope="module")
def cluster(
    switch: tuple[SimulatedSwitch, str], embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")

    def place(url: str, name: str) -> RunContext:
        made = Settings(data_dir=folder / name, warehouse_url=SecretStr(url), DAGSTER_HOME=folder / f"{name}_home")  # type: ignore[call-arg]
        # The accounts are known since now: the daemon has no earlier night to repeat.
        return playing(RunContext.open(made, clock=utc_now), *switch, collect_reread_days=0)

    with copied_database(embedded_server) as url, copied_database(embedded_server) as other:
        shared, alone = place(url, "data"), place(other, "alone")
        settings = {
            "CDR_DATA_DIR": str(shared.settings.data_dir),
            "CDR_WAREHOUSE_URL": url,
            "CDR_API_URL": switch[1],
            "CDR_API_TOKEN": switch[0].token,
            "CDR_API_REQUESTS_PER_SECOND": "100",
            "CDR_API_HOST_REQUESTS_PER_SECOND": "1000",
            "CDR_NIGHT_SHARDS": str(SHARDS),
            "CDR_COLLECT_REREAD_DAYS": "0",
            "CDR_STEP_RETRY_SECONDS": "5",
            # No other night is due meanwhile, at any time of the day.
            "CDR_NIGHTLY_GRACE_MINUTES": "720",
        }
        (folder / "services").mkdir()
        with dagster_storage(embedded_server) as storage, Services(folder / "services", storage, settings) as services:
            services.start_broker()
            made = Cluster(shared, services, Alone(alone.settings))
            made.start_worker()
            made.start_worker()
            services.start_code()
            services.start_daemon()
            yield made


def test_a_night_ends_whose_workers_broker_and_daemon_die(cluster: Cluster) -> None:
    cluster.launch(DAY)
    also = {"load": [cluster.broker_dies], "reconciliation": [cluster.daemon_dies]}
    for phase in PHASES:
        cluster.interrupt(phase, *also.get(phase, []), cluster.worker_dies)
    # Each shard is repeated alone: the run itself is the first one.
    assert cluster.states(DAY) == ["SUCCESS"]
    require_sound(cluster.place)
    assert result_of(cluster.place.settings) == cluster.alone.after(DAY)


def test_a_night_ends_whose_broker_forgets_and_whose_coordinator_dies(cluster: Cluster) -> None:
    day = DAY + timedelta(days=1)
    cluster.launch(day)
    cluster.interrupt("api_pages", cluster.broker_forgets)
    cluster.interrupt("reconciliation", cluster.coordinator_dies)
    assert cluster.states(day) == ["FAILURE", "SUCCESS"]
    require_sound(cluster.place)
    assert result_of(cluster.place.settings) == cluster.alone.after(day)
