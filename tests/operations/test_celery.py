"""A night whose steps are run by two Celery workers over a real broker, as the shipped configuration says."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.operations.write_deployment import DeploymentRequest, write_deployment
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.nights import DAY, playing, records_of, require_sound, truth_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="no broker here: redis-server is not installed"),
    pytest.mark.skipif(find_spec("dagster_celery") is None, reason="the extra celery is not installed"),
    pytest.mark.skipif(find_spec("dagster_postgres") is None, reason="the extra postgres is not installed"),
]
WORKERS = ("one", "two")
# Importing the definitions takes seconds, several processes at once on a small machine take longer.
PATIENCE = 300


@contextmanager
def process(log: Path, environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its children in a group of its own, all ended at the end."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield running
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGTERM)
            running.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(log: Path, said: str, by: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while said not in log.read_text(errors="replace"):
        assert by.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.2)


def command_of(folder: Path, unit: str) -> list[str]:
    """What a systemd unit starts."""
    found = re.search(r"^ExecStart=(.*)$", (folder / "systemd" / unit).read_text(), re.MULTILINE)
    assert found
    return found[1].split()


@pytest.fixture
def storage_url(embedded_server: EmbeddedServer) -> Iterator[str]:
    """A database for Dagster's own storage."""
    name = f"dagster_{secrets.token_hex(6)}"
    admin = embedded_server.url_of("postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield embedded_server.url_of(name).replace("postgresql://", "postgresql+psycopg2://")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def stopped_in_mid_step(log: Path, worker: "subprocess.Popen[bytes]", night: "subprocess.Popen[bytes]") -> int:
    """Exit code of a worker that is told to stop when it has received a step of a night."""
    received = log.read_text(errors="replace").count(" received")
    deadline = time.monotonic() + PATIENCE
    while log.read_text(errors="replace").count(" received") == received:
        assert night.poll() is None
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.05)
    worker.terminate()
    return worker.wait(PATIENCE)


def test_two_workers_share_a_night_and_a_stopped_one_ends_its_step(
    ctx: RunContext, storage_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "services"
    venv = Path(sys.executable).parent
    folder = str(home / "dagster_home")
    write_deployment(DeploymentRequest(Path(folder), "cdr", str(home), folder, str(venv.parent)))
    config = home / "dagster_home" / "executor.celery.yaml"
    workers: dict[Path, subprocess.Popen[bytes]] = {}
    switch = SimulatedSwitch.build(calls_per_day=20, accounts=2)
    port = free_port()
    with ExitStack() as running:
        url = running.enter_context(run_switch(switch)).url
        place = playing(ctx, switch, url)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DAGSTER_HOME": str(home / "dagster_home"),
            "DAGSTER_STORAGE_URL": storage_url,
            "DAGSTER_CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0",
            "DAGSTER_CELERY_BACKEND_URL": f"redis://127.0.0.1:{port}/1",
            "CDR_DATA_DIR": str(place.settings.data_dir),
            "CDR_WAREHOUSE_URL": ctx.url,
            "CDR_API_URL": url,
            "CDR_API_TOKEN": switch.token,
            "CDR_NIGHT_SHARDS": "2",
            "CDR_EXECUTOR": "celery",
            "CDR_EXECUTOR_CONFIG": str(config),
        }
        broker = tmp_path / "redis.log"
        redis = running.enter_context(
            process(broker, dict(os.environ), "redis-server", "--port", str(port), "--bind", "127.0.0.1",
                    "--save", "", "--dir", str(tmp_path))
        )  # fmt: skip
        wait_for(broker, "Ready to accept connections", redis)
        for name in WORKERS:
            log = tmp_path / f"{name}.log"
            worker = [word.replace("%i", name) for word in command_of(home / "dagster_home", "cdr-worker@.service")]
            workers[log] = running.enter_context(process(log, environment, *worker, "--", "--concurrency", "1"))
        for log, worker in workers.items():
            wait_for(log, "ready.", worker)
        said = tmp_path / "night.log"
        night = running.enter_context(
            process(said, environment, str(venv / "dagster"), "job", "execute", "-m", "cdr_pipeline.definitions",
                    "-j", "nightly", "--tags", json.dumps({"dagster/partition": DAY.isoformat()}))
        )  # fmt: skip
        log, worker = next(iter(workers.items()))
        assert stopped_in_mid_step(log, worker, night) == 0
        assert "succeeded" in log.read_text(errors="replace").rpartition(" received")[2]
        night.wait(4 * PATIENCE)
    events = said.read_text(errors="replace")
    assert "RUN_SUCCESS" in events, events[-3000:]
    assert "STEP_UP_FOR_RETRY" not in events
    assert set(records_of(place)) == truth_of(switch)
    require_sound(place)
    with psycopg.connect(storage_url.replace("+psycopg2", "")) as connection:
        events = "".join(row[0] for row in connection.execute("SELECT event FROM event_logs").fetchall())
    assert {name for name in WORKERS if re.search(rf"{name}@", events)} == set(WORKERS)
