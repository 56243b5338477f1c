"""``cdr-pipeline serve`` with several worker processes, as an operator starts it; tests kill its workers."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from cdr_pipeline.steps.run_context import RunContext

_COMMAND = "from cdr_pipeline.cli import main; main()"


@dataclass(frozen=True, slots=True)
class ServedProcesses:
    """A running server: its URL and the process that supervises the workers."""

    url: str
    supervisor: psutil.Process

    def kill_workers(self) -> None:
        """Kills all workers without a warning; the supervisor starts others."""
        workers = [child for child in self.supervisor.children() if "spawn_main" in " ".join(child.cmdline())]
        assert workers
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
        psutil.wait_procs(workers, timeout=30)

    def until_ready(self) -> None:
        """Waits for the workers that the supervisor has started."""
        wait_until(lambda: _is_ready(self.url), 120)


@contextmanager
def served_processes(ctx: RunContext, folder: Path, **environment: str) -> Generator[ServedProcesses]:
    """The server of a context's warehouse and data folder, with two workers, while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "serve", "--port", str(port), "--workers", "2"],
        env=os.environ
        | {"CDR_WAREHOUSE_URL": ctx.url, "CDR_DATA_DIR": str(ctx.settings.data_dir)}
        | environment,
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    server = ServedProcesses(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
    try:
        wait_until(lambda: _is_ready(server.url), 120)
        yield server
    finally:
        process.terminate()
        process.wait(60)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Waits until a condition is true; fails after some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz").status_code == 200
    except httpx2.HTTPError:
        return False
