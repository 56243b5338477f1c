"""The embedded server, hit as operating systems and people hit it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import httpx2
import psycopg
import pytest
from psycopg import sql

from cdr_pipeline.errors import WarehouseUnavailable
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.machine import usable_memory
from tests.support.serving import serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    made = EmbeddedServer(tmp_path / "a folder with spaces")
    yield made
    made.destroy()


def _put(server: EmbeddedServer) -> None:
    with psycopg.connect(server.ensure_running(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")


def _kept(server: EmbeddedServer) -> int:
    """Rows of the table. A server whose backend was killed may end a connection that was just accepted: try again."""
    deadline = time.monotonic() + 10
    while True:
        try:
            with psycopg.connect(server.ensure_running()) as connection:
                row = connection.execute("SELECT count(*) FROM kept").fetchone()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            assert row is not None
            return int(row[0])


def _children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listing.split()]


def test_it_starts_once_and_answers_again(server: EmbeddedServer) -> None:
    _put(server)
    first = server.status().pid
    _put(server)
    assert server.status().pid == first
    assert _kept(server) == 2


def test_it_listens_on_no_port(server: EmbeddedServer) -> None:
    server.ensure_running()
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_stopped_and_started_again_it_has_its_rows(server: EmbeddedServer) -> None:
    _put(server)
    assert server.stop()
    assert not server.stop()
    assert not server.status().running
    assert _kept(server) == 1


@pytest.mark.slow
@pytest.mark.parametrize("whole_family", [True, False], ids=["server and children", "server alone"])
def test_killed_it_comes_back_with_every_committed_row(server: EmbeddedServer, whole_family: bool) -> None:
    _put(server)
    pid = server.status().pid
    assert pid is not None
    family = [pid, *_children(pid)] if whole_family else [pid]
    for member in family:
        os.kill(member, signal.SIGKILL)
    assert _kept(server) == 1


def test_a_killed_server_is_restarted_and_a_stopped_one_is_not(server: EmbeddedServer) -> None:
    _put(server)
    assert not server.restart_after_crash()
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    _until(server.restart_after_crash)
    assert server.status().running
    server.stop()
    assert not server.restart_after_crash()
    assert not server.status().running


@pytest.mark.slow
def test_the_api_is_ready_again_after_its_warehouse_was_killed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", warehouse_url=None)
    ctx = RunContext.open(settings)
    server = EmbeddedServer(settings.warehouse_dir)
    try:
        with serving(ctx) as served:

            def ready() -> bool:
                return httpx2.get(f"{served.url}/readyz", timeout=30).status_code == 200

            assert ready()
            pid = server.status().pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            _until(lambda: server.status().pid not in (pid, None))
            _until(ready)
    finally:
        server.destroy()


def _until(done: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.0, 0.05, 0.2])
def test_a_killed_backend_is_survived(server: EmbeddedServer, pause: float) -> None:
    _put(server)
    _kill_a_backend(server)
    time.sleep(pause)
    assert _kept(server) == 1


@pytest.mark.slow
def test_one_that_is_told_to_stop_while_it_recovers_stops(server: EmbeddedServer) -> None:
    _put(server)
    _kill_a_backend(server)
    begun = time.monotonic()
    assert server.stop()
    assert time.monotonic() - begun < 40
    assert _kept(server) == 1


def test_one_whose_socket_was_swept_away_is_started_again(server: EmbeddedServer) -> None:
    _put(server)
    for left in server.socket.iterdir():
        left.unlink()
    assert _kept(server) == 1


def _kill_a_backend(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)


def test_a_stale_pid_file_with_a_living_stranger_is_not_believed(server: EmbeddedServer) -> None:
    _put(server)
    server.stop()
    (server.cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{server.cluster}\n")
    assert _kept(server) == 1


@pytest.mark.slow
def test_a_half_made_cluster_is_never_used(server: EmbeddedServer) -> None:
    half = server.cluster.with_name("cluster.new")
    half.mkdir(parents=True, exist_ok=True)
    (half / "PG_VERSION").write_text("18\n")
    _put(server)
    assert _kept(server) == 1


@pytest.mark.slow
def test_six_processes_at_once_get_one_server(server: EmbeddedServer) -> None:
    program = (
        "import sys, psycopg; from pathlib import Path;"
        "from cdr_pipeline.warehouse.server.embedded import EmbeddedServer;"
        "url = EmbeddedServer(Path(sys.argv[1])).ensure_running();"
        "print(psycopg.connect(url).execute('SELECT pg_postmaster_start_time()').fetchone()[0])"
    )
    racing = [
        subprocess.Popen([sys.executable, "-c", program, str(server.home)], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    said = {process.communicate(timeout=120)[0] for process in racing}
    assert len(said) == 1
    assert said != {""}


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("deep" * 20) / ("deeper" * 20))
    try:
        _put(server)
        assert _kept(server) == 1
    finally:
        server.destroy()


def test_what_stands_in_the_socket_folders_place_is_refused(server: EmbeddedServer) -> None:
    server.socket.symlink_to("/tmp")  # noqa: S108 - the attack is about the shared temporary folder
    try:
        with pytest.raises(WarehouseUnavailable, match="not a private folder"):
            server.ensure_running()
    finally:
        server.socket.unlink()


def test_a_full_disk_is_named_when_the_server_cannot_start(server: EmbeddedServer) -> None:
    # Not below the test's folder, which the server's user may not enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for name in ("postgres", "initdb"):
            program = Path(folder, name)
            program.write_text("#!/bin/sh\necho 'FATAL: could not write init file: No space left on device'\nexit 1\n")
            program.chmod(0o755)
        with pytest.raises(WarehouseUnavailable, match="is full, so the warehouse cannot start") as raised:
            EmbeddedServer(server.home, Path(folder)).ensure_running()
    assert "free some space" in raised.value.hint


def test_a_server_that_a_full_disk_stopped_is_named_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "warehouse").mkdir()
    ctx = RunContext(Settings(data_dir=tmp_path, warehouse_url=None), "postgresql://cdr@127.0.0.1:9/cdr")
    with pytest.raises(WarehouseUnavailable, match="cannot be reached"), ctx.ledger():
        pass
    monkeypatch.setattr("cdr_pipeline.steps.run_context.disk_usage", lambda _: (100, 99, 1))
    with pytest.raises(WarehouseUnavailable, match="is full, so the warehouse has stopped"), ctx.ledger():
        pass


def test_a_server_that_refuses_its_first_connection_is_unavailable(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise psycopg.OperationalError("FATAL:  could not write init file")

    monkeypatch.setattr(server, "_answers", lambda: False)
    for part in ("_initialise", "_start"):
        monkeypatch.setattr(server, part, lambda: None)
    monkeypatch.setattr(server, "_connect", refuse)
    with pytest.raises(WarehouseUnavailable, match="accepts no connection: FATAL:  could not write init file"):
        server.ensure_running()


def test_the_log_holds_no_values_of_rows(server: EmbeddedServer) -> None:
    with psycopg.connect(server.ensure_running(), autocommit=True) as connection:
        connection.execute("CREATE TABLE unique_numbers (number text PRIMARY KEY)")
        connection.execute("INSERT INTO unique_numbers VALUES ('+15550100042')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO unique_numbers VALUES ('+15550100042')")
    assert "15550100042" not in server.log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as another user")
def test_no_other_user_can_log_in(server: EmbeddedServer) -> None:
    server.ensure_running()
    program = (
        "import os, socket, sys; os.setgid(65534); os.setuid(65533);socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    )
    tried = subprocess.run(
        [sys.executable, "-c", program, str(server.socket / ".s.PGSQL.5432")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "PermissionError" in tried.stderr


def _shown(server: EmbeddedServer, name: str) -> str:
    with psycopg.connect(server.ensure_running()) as connection:
        row = connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.slow
def test_the_log_is_minimal_unless_it_is_copied_or_archived(server: EmbeddedServer) -> None:
    assert _shown(server, "wal_level") == "minimal"
    assert _shown(server, "fsync") == _shown(server, "synchronous_commit") == _shown(server, "full_page_writes") == "on"
    config = server.cluster / "postgresql.conf"
    text = config.read_text("utf-8")
    for setting in ("archive_mode = on", "max_wal_senders = 3", "include_if_exists 'mine.conf'"):
        server.stop()
        config.write_text(f"{text}\n{setting}\n", "utf-8")
        assert _shown(server, "wal_level") == "replica", setting


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_limit_of_a_container_counts_as_its_memory(tmp_path: Path, name: str) -> None:
    assert usable_memory(tmp_path) > 64 * 1024**2
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("67108864\n")
    assert usable_memory(tmp_path) == 64 * 1024**2
