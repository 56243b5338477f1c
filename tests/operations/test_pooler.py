"""A pooler in front of the warehouse: session mode works; a pooler that mixes sessions is refused at the start."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from cdr_pipeline.errors import WarehousePooled
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import require_current
from cdr_pipeline.warehouse.server.unprivileged import server_user
from tests.support.outside_server import OUTSIDE_URL

if TYPE_CHECKING:
    from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

pytestmark = pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="pgbouncer is not installed")

_INI = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
ignore_startup_parameters = extra_float_digits
{settings}
"""


@pytest.fixture(autouse=True)
def _server_admits_its_own_user(warehouse_url: str, request: pytest.FixtureRequest) -> None:
    """pgbouncer does not run as root, and the embedded server knows the user of the product only."""
    if OUTSIDE_URL is not None:
        return
    server: EmbeddedServer = request.getfixturevalue("embedded_server")
    line = f'cdr "{server.user.name}" cdr\n'
    idents = server.cluster / "pg_ident.conf"
    if line not in idents.read_text():
        with idents.open("a") as file:
            file.write(line)
    with psycopg.connect(warehouse_url, autocommit=True) as admin:
        admin.execute("SELECT pg_reload_conf()")


@contextmanager
def _pgbouncer(url: str, *settings: str) -> Iterator[str]:
    """URL of the same database through pgbouncer, which runs as the user of the embedded server."""
    user = server_user()
    parts = conninfo_to_dict(url)
    folder = Path(tempfile.mkdtemp(prefix="cdr-pgbouncer-"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        own_port = probe.getsockname()[1]
    (folder / "users").write_text(f'"{parts["user"]}" "{parts.get("password", "")}"\n')
    ini = folder / "pgbouncer.ini"
    ini.write_text(
        _INI.format(
            host=parts["host"],
            port=parts.get("port", 5432),
            own_port=own_port,
            users=folder / "users",
            settings="\n".join(settings),
        )
    )
    for path in (folder, *folder.iterdir()):
        user.owns(path)
    switched = {"user": user.uid, "group": user.gid} if user.switched else {}
    with subprocess.Popen(["pgbouncer", "-q", str(ini)], stderr=subprocess.DEVNULL, **switched) as process:  # type: ignore[call-overload]
        try:
            _wait_for(own_port)
            yield f"postgresql://{parts['user']}@127.0.0.1:{own_port}/{parts['dbname']}"
        finally:
            process.terminate()
    shutil.rmtree(folder)


def _wait_for(port: int) -> None:
    for _ in range(100):
        with ExitStack() as stack:
            try:
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            except OSError:
                time.sleep(0.05)
            else:
                return
    pytest.fail("pgbouncer did not start")


@pytest.mark.parametrize(
    "settings",
    [
        ("pool_mode = transaction",),
        ("pool_mode = transaction", "server_round_robin = 1"),
        ("pool_mode = transaction", "default_pool_size = 2"),
        ("pool_mode = statement",),
    ],
    ids=", ".join,
)
def test_a_pooler_that_changes_sessions_is_refused(warehouse_url: str, settings: tuple[str, ...]) -> None:
    with _pgbouncer(warehouse_url, *settings) as pooled, pytest.raises(WarehousePooled, match="pooler") as refused:
        require_current(pooled)
    assert "pool_mode = session" in refused.value.hint


def test_a_pooler_in_session_mode_is_transparent(warehouse_url: str) -> None:
    with _pgbouncer(warehouse_url, "pool_mode = session") as pooled:
        require_current(pooled)
        with connect(pooled) as connection:
            assert connection.execute("SHOW timezone").fetchone() == ("UTC",)


def test_no_pooler_costs_no_further_connection(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = psycopg.connect

    def counted(url: str, **options: Any) -> Any:
        opened.append(url)
        return real(url, **options)

    monkeypatch.setattr(psycopg, "connect", counted)
    with connect(warehouse_url):
        pass
    assert len(opened) == 1
