"""The API reads records from a streaming replica, says how old they are, and turns to the warehouse when needed."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from cdr_pipeline.errors import ReplicaUnusable
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.accounts.api_tokens import list_tokens, revoke_token
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.migrate import upgrade
from cdr_pipeline.warehouse.server.replica import ReplicaHistory, replica_state
from cdr_pipeline.warehouse.server.unprivileged import server_user
from tests.support.own_clock import by_own_clock
from tests.support.serving import PERIOD, Served, serving, store

_PROGRAMS = next((path for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), Path("/none"))
_AS_OF = "x-records-as-of"
needs_servers = pytest.mark.skipif(not (_PROGRAMS / "pg_basebackup").exists(), reason="no PostgreSQL of the system")


@dataclass
class Server:
    """A server of the system's PostgreSQL in a folder of its own."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://cdr@127.0.0.1:{self.port}/calls"

    def run(self, program: str, *arguments: str) -> None:
        user = server_user()
        switched: dict[str, Any] = {"user": user.uid, "group": user.gid} if user.switched else {}
        subprocess.run(
            [_PROGRAMS / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=self.folder.parent, **switched
        )

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self.run("pg_ctl", "-D", str(self.folder), "-l", f"{self.folder}.log", "-o", options, "-w", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder), "-m", "immediate", "-w", "stop")

    def execute(self, text: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(text)  # type: ignore[arg-type]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """A warehouse and its streaming replica."""
    folder = Path(tempfile.mkdtemp(prefix="cdr-replica-"))
    server_user().owns(folder)
    primary, standby = Server(folder / "primary", _free_port()), Server(folder / "standby", _free_port())
    primary.run("initdb", "-D", str(primary.folder), "-U", "cdr", "-A", "trust", "-E", "UTF8", "--no-sync")
    primary.start()
    with psycopg.connect(f"postgresql://cdr@127.0.0.1:{primary.port}/postgres", autocommit=True) as admin:
        admin.execute("CREATE DATABASE calls")
    upgrade(primary.url)
    standby.run(
        "pg_basebackup", "-D", str(standby.folder), "-R", "-c", "fast", "-X", "stream", "--no-sync",
        "-d", f"host=127.0.0.1 port={primary.port} user=cdr",
    )  # fmt: skip
    standby.start()
    yield primary, standby
    standby.stop()
    primary.stop()
    shutil.rmtree(folder)


@pytest.fixture
def served(servers: tuple[Server, Server], tmp_path: Path) -> Iterator[Served]:
    """The API over both, with one record of the account ``self``."""
    primary, standby = servers
    primary.execute("TRUNCATE warehouse_identity, api_tokens, accounts, cdr, cdr_keys, batches CASCADE")
    settings = Settings(
        data_dir=tmp_path / "data",
        warehouse_url=SecretStr(primary.url),
        warehouse_replica_url=SecretStr(standby.url),
        DAGSTER_HOME=tmp_path / "dagster_home",
        serve_replica_seconds=3,
    )
    ctx = RunContext.open(by_own_clock(settings))
    with serving(ctx) as api:
        store(api.ctx, "self", {"answered": True})
        _await(lambda: _rows(api) == 1 and _as_of(api) is not None)
        yield api
    standby.execute("SELECT pg_wal_replay_resume()")


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def _rows(api: Served) -> int:
    response = api.get("/v2/accounts/self/cdrs", **PERIOD)
    assert response.status_code == 200
    return len(response.json()["data"])


def _as_of(api: Served) -> datetime | None:
    text = api.get("/v2/accounts/self/cdrs", **PERIOD).headers.get(_AS_OF)
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


@needs_servers
def test_records_of_an_idle_replica_are_shown_as_recent(served: Served) -> None:
    time.sleep(2)
    as_of = _as_of(served)
    assert as_of is not None
    assert (datetime.now(UTC) - as_of).total_seconds() < 3
    csv = served.get("/v2/accounts/self/cdrs", **PERIOD, headers={"Accept": "text/csv"})
    assert _AS_OF in csv.headers
    assert _AS_OF not in served.get("/v2/accounts/self").headers
    assert [problem for problem in find_problems(served.ctx) if "replica" in problem.code] == []


@needs_servers
def test_a_replica_that_falls_behind_is_replaced_by_the_warehouse(
    served: Served, servers: tuple[Server, Server]
) -> None:
    _, standby = servers
    standby.execute("SELECT pg_wal_replay_pause()")
    store(served.ctx, "self", {}, {"answered": False})
    answers: set[tuple[bool, int]] = set()

    def is_from_warehouse() -> bool:
        response = served.get("/v2/accounts/self/cdrs", **PERIOD)
        answers.add((_AS_OF in response.headers, len(response.json()["data"])))
        return _AS_OF not in response.headers

    _await(is_from_warehouse)
    assert answers <= {(True, 1), (False, 2)}
    # The API counts from its last look at the replica, which is earlier than the last replayed transaction.
    _await(lambda: "replica_behind" in {problem.code for problem in find_problems(served.ctx)})
    standby.execute("SELECT pg_wal_replay_resume()")
    _await(lambda: _as_of(served) is not None)
    assert _rows(served) == 2


@needs_servers
def test_a_revoked_token_ends_at_once_although_the_replica_is_behind(
    served: Served, servers: tuple[Server, Server]
) -> None:
    assert _rows(served) == 1
    servers[1].execute("SELECT pg_wal_replay_pause()")
    for token in list_tokens(served.ctx):
        revoke_token(token.token_id, served.ctx)
    assert served.get("/v2/accounts/self/cdrs", **PERIOD).status_code == 401


@needs_servers
def test_a_replica_that_is_down_costs_no_answer_for_long(served: Served, servers: tuple[Server, Server]) -> None:
    _, standby = servers
    standby.stop()
    try:
        _await(lambda: served.get("/v2/accounts/self/cdrs", **PERIOD).status_code == 200 and _as_of(served) is None)
        assert "replica_unusable" in {problem.code for problem in find_problems(served.ctx)}
    finally:
        standby.start()
    _await(lambda: _as_of(served) is not None)


@needs_servers
def test_a_server_that_is_no_replica_is_named(servers: tuple[Server, Server]) -> None:
    primary, standby = servers
    assert replica_state(primary.url, standby.url).bytes_behind == 0
    with pytest.raises(ReplicaUnusable, match="a server of its own"):
        replica_state(primary.url, primary.url)


def test_the_age_of_a_replica_is_that_of_the_last_replayed_position() -> None:
    history = ReplicaHistory()
    moments = [datetime(2026, 3, 1, 12, 0, second, tzinfo=UTC) for second in range(3)]
    assert history.note_replayed(50) is None
    for position, moment in zip((100, 100, 200), moments, strict=True):
        history.note_written(position, moment)
    assert history.note_replayed(99) is None
    assert history.note_replayed(150) == moments[1]
    assert history.note_replayed(200) == moments[2]
