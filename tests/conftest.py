"""Fixtures of all tests: a real embedded server for the session, a fresh warehouse for each test that asks for one."""

import logging
import os
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import httpcore2
import hypothesis
import pytest
import stamina
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import event
from sqlalchemy.engine import Engine

from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.accounts import user_logins, users
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.migrate import upgrade
from tests.support.canaries import leaks_in, leaks_in_log
from tests.support.databases import ReusedDatabases, stop_flushing
from tests.support.forked_commands import CommandRunner
from tests.support.nights import playing
from tests.support.outside_server import OUTSIDE_URL, emptied, outside_database
from tests.support.own_clock import by_own_clock

# Programs that tests start as processes of their own import the helpers as well.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))

# The same examples every time: a change is judged by what it changes, not by luck. Others are looked for with
# --hypothesis-profile=search. A shared machine stalls now and then; what is too slow is for the benchmarks to show.
hypothesis.settings.register_profile("default", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile("default")


@event.listens_for(Engine, "connect")
def _dagster_does_not_flush(connection: object, _: object) -> None:
    """Dagster commits several times a step; each commit of SQLite would wait for the disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "samples"


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than processors, because tests wait for servers, disks and other processes."""
    return (os.cpu_count() or 1) + 1


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the test that interleaves processes."""
    parser.addoption(
        "--interleave-minutes", type=float, help="play rounds of new seeds for so long; with -m exhaustive"
    )
    parser.addoption("--interleave-seed", type=int, help="first seed of the rounds; random when omitted")


@pytest.fixture(scope="session", autouse=True)
def _passwords_are_hashed_fast() -> Iterator[None]:
    """The hashes of one password take 400 milliseconds on purpose; a few hundred tests sign users in."""
    fast = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "_hasher", lambda: fast)
        patch.setattr(user_logins, "_COST", 2)
        yield


@pytest.fixture(scope="session", autouse=True)
def _authorities_are_read_once() -> Iterator[None]:
    """Every HTTP client reads the certificate authorities of the machine, which takes 20 milliseconds."""
    read = httpcore2.default_ssl_context

    @cache
    def remembered(trust_env: bool, *_: str | None) -> ssl.SSLContext:
        return read(_trust_env=trust_env)

    def default_ssl_context(*, _trust_env: bool = True) -> ssl.SSLContext:
        return remembered(_trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", default_ssl_context)
        yield


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tests see neither the developer's environment nor a .env file."""
    for name in list(os.environ):
        if name.startswith(("CDR_", "PANDERA_")) or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _a_dead_switch_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product tries for 20 seconds to reach a switch that has never answered."""
    monkeypatch.setattr("cdr_pipeline.sources.kazoo.connection._FIRST_SECONDS", 2.0)


@pytest.fixture(autouse=True)
def _no_handlers_are_left() -> Iterator[None]:
    """Commands log to the standard error of their test, which is closed when the test ends."""
    before = list(logging.root.handlers)
    yield
    for handler in list(logging.root.handlers):
        if type(handler) is logging.StreamHandler and handler not in before:
            logging.root.removeHandler(handler)


@pytest.fixture(autouse=True)
def _nothing_leaks(tmp_path: Path, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """P8, after every test: no token in any file or log line, no number or name in logs and Dagster's storage."""
    caplog.set_level(logging.INFO)
    yield
    if request.node.get_closest_marker("plants_canaries"):
        return
    said = "\n".join(record.getMessage() for record in caplog.get_records("call"))
    assert leaks_in(tmp_path) + leaks_in_log(said) == []


@pytest.fixture(autouse=True)
def _no_server_is_left(tmp_path: Path) -> Iterator[None]:
    """A command without CDR_WAREHOUSE_URL starts an embedded server, which outlives its test unless that stops it."""
    yield
    left = [server for home in tmp_path.rglob("warehouse") if (server := EmbeddedServer(home)).status().running]
    for server in left:
        server.destroy()
    assert [str(server.home) for server in left] == []


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One server for the session (and worker), with a migrated template database."""
    server = EmbeddedServer(tmp_path_factory.mktemp("warehouse"))
    server.ensure_running()
    upgrade(server.url)
    stop_flushing(server)
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def embedded_databases(embedded_server: EmbeddedServer) -> Iterator[ReusedDatabases]:
    """Databases on the server, emptied after each test."""
    with closing(ReusedDatabases(embedded_server)) as databases:
        yield databases


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandRunner]:
    """Starts commands and programs that are killed; each is forked from a process that has imported everything."""
    with CommandRunner(tmp_path_factory.mktemp("programs")) as runner:
        yield runner


@pytest.fixture(scope="session")
def outside_url(worker_id: str) -> Iterator[str | None]:
    """URL of this worker's database on the server that CDR_TEST_WAREHOUSE_URL names, None without one."""
    if OUTSIDE_URL is None:
        yield None
        return
    with outside_database(OUTSIDE_URL, worker_id) as url:
        yield url


@pytest.fixture
def warehouse_url(outside_url: str | None, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty warehouse of this version; on the embedded server unless CDR_TEST_WAREHOUSE_URL names another."""
    if outside_url is not None:
        yield emptied(outside_url)
        return
    databases: ReusedDatabases = request.getfixturevalue("embedded_databases")
    with databases.empty() as url:
        yield url


@pytest.fixture
def settings(warehouse_url: str, tmp_path: Path) -> Settings:
    """Settings of a place of its own, for days that are played by a clock of the test."""
    made = Settings(
        data_dir=tmp_path / "data",
        warehouse_url=warehouse_url,
        DAGSTER_HOME=tmp_path / "dagster_home",
        upload_settle_seconds=0,
    )
    return by_own_clock(made)


@pytest.fixture
def ctx(settings: Settings) -> RunContext:
    """A workplace on an empty warehouse; its clock stands still long after all test traffic."""
    return RunContext.open(settings, clock=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))


@pytest.fixture
def samples() -> Path:
    """Real files that are not part of the project."""
    if not SAMPLES.is_dir():
        pytest.skip("the folder of real sample files is not beside this checkout")
    return SAMPLES


@pytest.fixture
def place(ctx: RunContext, switch: SimulatedSwitch) -> Iterator[RunContext]:
    """A workplace that collects, details included, from the test's own ``switch``."""
    with stamina.set_testing(testing=True, attempts=5, cap=True), run_switch(switch) as running:
        yield playing(ctx, switch, running.url, api_details=True)
