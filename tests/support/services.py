"""The services of a production installation as processes: broker, Celery workers, code server, daemon.

Each starts as its systemd unit says, in a process group of its own that can be killed like a machine.
"""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from cdr_pipeline.steps.operations.write_deployment import DeploymentRequest, write_deployment
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

# Importing the definitions takes seconds, several processes at once on a small machine take longer.
PATIENCE = 300
READY = {
    "broker": "Ready to accept connections",
    "worker": "ready.",
    "code": "Started",
    "daemon": "Instance is configured",
}


def free_port() -> int:
    """A port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(log: Path, environment: dict[str, str], *command: str) -> Generator[subprocess.Popen[bytes]]:
    """A process with its children in a group of its own, all ended at the end."""
    with log.open("ab") as output:
        running = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=log.parent
        )
        try:
            yield running
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGTERM)
            try:
                running.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait(30)


def wait_for(log: Path, said: str, by: subprocess.Popen[bytes]) -> None:
    """Waits until a process has written a text."""
    deadline = time.monotonic() + PATIENCE
    while said not in log.read_text(errors="replace"):
        assert by.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.2)


@contextmanager
def dagster_storage(server: EmbeddedServer) -> Generator[str]:
    """URL of a database for Dagster's own storage."""
    name = f"dagster_{secrets.token_hex(6)}"
    admin = server.url_of("postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield server.url_of(name).replace("postgresql://", "postgresql+psycopg2://")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@dataclass
class Services:
    """Services of one installation in a folder.

    Attributes:
        folder: folder of the installation; logs are in it.
        storage_url: URL of Dagster's storage.
        settings: environment of every service.
    """

    folder: Path
    storage_url: str
    settings: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.home = self.folder / "dagster_home"
        venv = str(Path(sys.executable).parent.parent)
        write_deployment(DeploymentRequest(self.home, "cdr", str(self.folder), str(self.home), venv))
        self._broker, self._code = free_port(), free_port()
        workspace = self.home / "workspace.yaml"
        workspace.write_text(workspace.read_text().replace("4266", str(self._code)))
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DAGSTER_HOME": str(self.home),
            "DAGSTER_STORAGE_URL": self.storage_url,
            # A busy machine starts the process of a run slowly.
            "DAGSTER_GRPC_TIMEOUT_SECONDS": str(PATIENCE),
            "DAGSTER_CELERY_BROKER_URL": f"redis://127.0.0.1:{self._broker}/0",
            "DAGSTER_CELERY_BACKEND_URL": f"redis://127.0.0.1:{self._broker}/1",
            "CDR_EXECUTOR": "celery",
            "CDR_EXECUTOR_CONFIG": str(self.home / "executor.celery.yaml"),
            **self.settings,
        }

    def __enter__(self) -> Self:
        self._stack.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start_broker(self, *, keep: bool = True) -> None:
        """Redis; by default it keeps its tasks over a restart, as the configuration advises."""
        command = ["redis-server", "--port", str(self._broker), "--bind", "127.0.0.1", "--save", ""]
        appended = ["--appendonly", "yes" if keep else "no"]
        self._start("broker", "broker", *command, *appended, "--dir", str(self.folder))

    def start_worker(self, name: str, *, wait: bool = True) -> None:
        """A worker with one process and a temporary disk of its own."""
        scratch = self.folder / f"scratch_{name}"
        scratch.mkdir(exist_ok=True)
        command = [word.replace("%i", name) for word in self.unit("cdr-worker@.service")]
        self._start("worker", name, *command, "--", "--concurrency", "1", TMPDIR=str(scratch), wait=wait)

    def start_code(self) -> None:
        """The code server."""
        code = [word.replace("4266", str(self._code)) for word in self.unit("cdr-code.service")]
        self._start("code", "code", *code)

    def start_daemon(self) -> None:
        """The daemon."""
        self._start("daemon", "daemon", *self.unit("cdr-daemon.service"))

    def await_worker(self, name: str) -> None:
        """Waits until a worker takes steps."""
        wait_for(self.folder / f"{name}.log", READY["worker"], self.running[name])

    def run(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """A command of Dagster in this installation, in the background."""
        venv = Path(sys.executable).parent
        self.running[name] = self._stack.enter_context(
            process(self.log(name), self.environment, str(venv / command[0]), *command[1:])
        )
        return self.running[name]

    def kill(self, name: str) -> None:
        """Kills a service and its children as if its machine had lost power."""
        os.killpg(self.running[name].pid, signal.SIGKILL)
        self.running[name].wait(30)

    def stop(self, name: str) -> None:
        """Stops a service as systemd does; a worker ends its step first."""
        self.running[name].terminate()
        assert self.running[name].wait(PATIENCE) == 0

    def log(self, name: str) -> Path:
        """File with the output of a service."""
        return self.folder / f"{name}.log"

    def unit(self, name: str) -> list[str]:
        """What a systemd unit starts."""
        found = re.search(r"^ExecStart=(.*)$", (self.home / "systemd" / name).read_text(), re.MULTILINE)
        assert found
        return found[1].split()

    def events(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query on Dagster's storage."""
        with psycopg.connect(self.storage_url.replace("+psycopg2", "")) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    def _start(self, kind: str, name: str, *command: str, wait: bool = True, **more: str) -> None:
        log = self.log(name)
        log.write_bytes(b"")
        self.running[name] = self._stack.enter_context(process(log, self.environment | more, *command))
        if wait:
            wait_for(log, READY[kind], self.running[name])
