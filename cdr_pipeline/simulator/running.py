"""Runs a simulated switch in a thread of this process, on a free port."""

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from cdr_pipeline.simulator.server import config
from cdr_pipeline.simulator.switch import SimulatedSwitch


@dataclass(frozen=True, slots=True)
class RunningSwitch:
    """Base URL of a running switch."""

    url: str


@contextmanager
def run_switch(switch: SimulatedSwitch) -> Generator[RunningSwitch]:
    """Serves the switch on a free loopback port during the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(config(switch, "127.0.0.1", port))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulated-switch", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise RuntimeError("the simulated switch did not start")
            time.sleep(0.01)
        yield RunningSwitch(f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
