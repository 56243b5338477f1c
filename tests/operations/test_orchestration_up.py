"""Processes that live and die together."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from cdr_pipeline.cli.operations.children import Child, Children
from cdr_pipeline.errors import ConfigurationError
from tests.support.commands import run_command

CLI = "from cdr_pipeline.cli import main; main()"
SLEEP = [sys.executable, "-c", "import time; print('awake', flush=True); time.sleep(600)"]
# Has a child of its own and does not care for SIGTERM.
STUBBORN = [
    sys.executable, "-c",
    ("import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
     "print('child', subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"),
]  # fmt: skip


class Heard:
    """Lines of children, by name."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def wait_for(self, text: str, times: int = 1) -> None:
        for _ in range(300):
            if sum(text in line for _, line in self.lines) >= times:
                return
            time.sleep(0.05)
        raise AssertionError(f"{text!r} was not said {times} times: {self.lines}")


def gone(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def later(what: "threading.Thread") -> None:
    what.daemon = True
    what.start()


def test_sigterm_ends_every_child_and_what_they_have_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdr_pipeline.cli.operations.children._STOP_SECONDS", 1.0)
    heard = Heard()
    children = [Child("one", SLEEP), Child("two", STUBBORN)]

    def end() -> None:
        heard.wait_for("awake")
        heard.wait_for("child")
        os.kill(os.getpid(), signal.SIGTERM)

    later(threading.Thread(target=end))
    assert Children(children, dict(os.environ), heard).run()
    grandchild = int(next(line.split()[1] for _, line in heard.lines if line.startswith("child")))
    assert all(child.process and child.process.returncode is not None for child in children)
    time.sleep(0.1)
    assert gone(grandchild)
    assert ("one", "awake") in heard.lines


def test_a_child_that_is_killed_is_started_again_and_the_others_stay() -> None:
    heard = Heard()
    children = [Child("one", SLEEP), Child("two", SLEEP)]
    first: dict[str, int] = {}

    def play() -> None:
        heard.wait_for("awake", 2)
        first.update({child.name: child.process.pid for child in children if child.process})
        os.kill(first["one"], signal.SIGKILL)
        heard.wait_for("awake", 3)
        os.kill(os.getpid(), signal.SIGTERM)

    later(threading.Thread(target=play))
    assert Children(children, dict(os.environ), heard).run()
    assert ("one", "ended with code -9: starting it again") in heard.lines
    now = {child.name: child.process.pid for child in children if child.process}
    assert now["one"] != first["one"]
    assert now["two"] == first["two"]


def test_a_child_that_falls_all_the_time_ends_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdr_pipeline.cli.operations.children._FALLS", 1)
    heard = Heard()
    children = [Child("one", SLEEP), Child("two", ["false"])]
    assert not Children(children, dict(os.environ), heard).run()
    assert children[0].process
    assert children[0].process.returncode is not None
    assert "giving up" in heard.lines[-1][1]


def test_no_child_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        "import os, sys\n"
        "from cdr_pipeline.cli.operations.children import Child, Children\n"
        f"sleeping = Child('one', {SLEEP!r})\n"
        "Children([sleeping], dict(os.environ), lambda name, line: print(sleeping.process.pid, flush=True)).run()\n"
    )
    parent = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if gone(child):
            return
        time.sleep(0.05)
    raise AssertionError("the child lives on")


@pytest.mark.slow
def test_up_restarts_a_killed_daemon_and_leaves_nothing_after_ctrl_c(tmp_path: Path, warehouse_url: str) -> None:
    environment = os.environ | {
        "CDR_DATA_DIR": str(tmp_path / "data"),
        "DAGSTER_HOME": str(tmp_path / "home"),
        "CDR_WAREHOUSE_URL": warehouse_url,
    }
    heard = Heard()
    page, api = _free_ports()
    up = subprocess.Popen(
        [sys.executable, "-c", CLI, "up", "--port", page, "--api-port", api], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert up.stdout
    lines = up.stdout
    reading = threading.Thread(target=lambda: [heard("up", line) for line in lines], daemon=True)
    reading.start()
    try:
        _await_page(f"http://127.0.0.1:{page}/server_info")
        _await_page(f"http://127.0.0.1:{api}/readyz")
        started = _below(up.pid)
        daemon = next(pid for pid, command in started.items() if "dagster._daemon" in command)
        os.kill(daemon, signal.SIGKILL)
        heard.wait_for("ended with code -9: starting it again")
        # Ctrl-C.
        up.send_signal(signal.SIGINT)
        assert up.wait(40) == 0
    finally:
        up.kill()
        up.wait()
        reading.join(5)
        lines.close()
    time.sleep(0.5)
    assert [command for pid, command in started.items() if not gone(pid)] == []


@pytest.mark.parametrize(
    ("command", "option"), [(["up"], "--port"), (["up"], "--api-port"), (["ui"], "--port")], ids=str
)
def test_a_port_that_is_taken_is_named_before_anything_is_started(
    tmp_path: Path, warehouse_url: str, command: list[str], option: str
) -> None:
    home = tmp_path / "home"
    environment = {
        "CDR_DATA_DIR": str(tmp_path / "data"),
        "DAGSTER_HOME": str(home),
        "CDR_WAREHOUSE_URL": warehouse_url,
    }
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        port = str(taken.getsockname()[1])
        if option == "--api-port":
            command = [*command, "--port", str(other.getsockname()[1])]
            other.close()
        done = run_command(*command, option, port, environment=environment)
    assert done.returncode == ConfigurationError.exit_code
    assert f"127.0.0.1:{port} cannot be listened on" in done.stderr.replace("\n", " ")
    assert f"choose another with {option}" in " ".join(done.stderr.split())
    assert not home.exists()


def _free_ports() -> tuple[str, str]:
    """Two ports that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return str(one.getsockname()[1]), str(two.getsockname()[1])


def _await_page(url: str) -> None:
    for _ in range(600):
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.HTTPError:
            time.sleep(0.2)
    raise AssertionError("the page does not come up")


def _below(parent: int) -> dict[int, str]:
    """Every process below one, with its command."""
    parents: dict[int, int] = {}
    for state in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(state.parent.name)] = int(state.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {parent}
    for _ in range(5):
        found |= {pid for pid, above in parents.items() if above in found}
    commands = {pid: Path(f"/proc/{pid}/cmdline") for pid in found - {parent}}
    return {pid: place.read_text().replace("\0", " ") for pid, place in commands.items() if place.exists()}
