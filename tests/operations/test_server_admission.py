"""A server that does not admit the product: one error that names the server, the right and the command that helps."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from cdr_pipeline.errors import WarehouseError, WarehouseLoginRefused, WarehouseRightMissing, WarehouseTooOld
from cdr_pipeline.warehouse.server import engine
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import current, upgrade
from cdr_pipeline.warehouse.server.rights import require_rights


@contextmanager
def _refusing(message: str) -> Iterator[str]:
    """URL of a server that refuses each login with a message of PostgreSQL."""
    fields = b"SFATAL\0VFATAL\0C28000\0M" + message.encode() + b"\0\0"

    def refuse(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                while client.recv(8192)[4:8] in (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"):
                    client.sendall(b"N")
                client.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, args=(listener,), daemon=True).start()
        yield f"postgresql://cdr:secret@127.0.0.1:{listener.getsockname()[1]}/calls"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("message", "help_text"),
    [
        ('password authentication failed for user "cdr"', "correct the user and password"),
        ('database "calls" does not exist', "CREATE DATABASE"),
        ('role "cdr" does not exist', "CREATE ROLE"),
        ('role "cdr" is not permitted to log in', "CREATE ROLE"),
        ('permission denied for database "calls"', "GRANT CONNECT"),
        ('no pg_hba.conf entry for host "10.0.0.1", user "cdr", database "calls", no encryption', "sslmode=require"),
        ("no such database: calls", "CREATE DATABASE"),
    ],
)
def test_a_refused_login_is_permanent_and_says_what_helps(message: str, help_text: str) -> None:
    with _refusing(message) as url, pytest.raises(WarehouseLoginRefused) as refused:
        current(url)
    assert help_text in refused.value.hint
    assert not refused.value.retryable
    assert "secret" not in str(refused.value)


def test_a_server_that_is_too_old_is_refused(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "OLDEST_VERSION", 99)
    with pytest.raises(WarehouseTooOld, match=r"PostgreSQL \d\d, 99 or later"), connect(warehouse_url):
        pass


def _create_role(admin: psycopg.Connection[Any], name: str) -> None:
    """A role whose rights an ordinary user can take."""
    role = sql.Identifier(name)
    admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(role))
    admin.execute(sql.SQL("CREATE ROLE {}").format(role))
    admin.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))


@pytest.fixture
def ordinary_url(warehouse_url: str) -> Iterator[str]:
    """URL of the same database for a user without rights, whose search path is an empty schema."""
    with psycopg.connect(warehouse_url, autocommit=True) as admin:
        admin.execute("DROP SCHEMA public CASCADE")
        admin.execute("CREATE SCHEMA public")
        _create_role(admin, "cdr_without_rights")
    yield make_conninfo(warehouse_url, options="-c role=cdr_without_rights")
    with psycopg.connect(warehouse_url, autocommit=True) as admin:
        admin.execute("DROP OWNED BY cdr_without_rights")
        admin.execute("DROP ROLE cdr_without_rights")


def test_migrate_without_the_right_to_create_names_the_right(ordinary_url: str, warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url, autocommit=True) as admin:
        admin.execute("GRANT USAGE ON SCHEMA public TO cdr_without_rights")
    with pytest.raises(WarehouseRightMissing, match="may not create tables in the schema public") as refused:
        upgrade(ordinary_url)
    assert "GRANT USAGE, CREATE ON SCHEMA public TO cdr_without_rights;" in refused.value.hint


def test_migrate_without_a_usable_schema_names_the_right(ordinary_url: str) -> None:
    with pytest.raises(WarehouseRightMissing, match="no schema to create tables in"):
        upgrade(ordinary_url)


def test_a_migration_of_tables_of_another_user_is_one_error(warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url, autocommit=True) as admin:
        _create_role(admin, "cdr_other_owner")
        admin.execute("GRANT ALL ON SCHEMA public TO cdr_other_owner")
        admin.execute("GRANT ALL ON alembic_version, migration_checksums TO cdr_other_owner")
        admin.execute("UPDATE alembic_version SET version_num = '0020'")
    try:
        with pytest.raises(WarehouseError, match="a migration"):
            upgrade(make_conninfo(warehouse_url, options="-c role=cdr_other_owner"))
        assert current(warehouse_url) == "0020"
    finally:
        with psycopg.connect(warehouse_url, autocommit=True) as admin:
            admin.execute("DROP OWNED BY cdr_other_owner")
            admin.execute(sql.SQL("DROP ROLE cdr_other_owner"))


class _Cluster:
    """A connection to a cluster of three nodes: one is complete, one lacks a right, one does not admit the user."""

    def execute(self, query: Any, _: Any = None) -> Any:
        text = query.decode() if isinstance(query, bytes) else query.as_string()
        if "is_cluster" in text:
            rows: list[tuple[Any, ...]] = [(True,)]
        elif "run_command_on_all_nodes" in text:
            rows = [("a:5432", True, "t"), ("b:5432", True, "f"), ("c:5432", False, 'FATAL: role "cdr" does not exist')]
        else:
            rows = [("cdr", "public", True)]
        return SimpleNamespace(fetchone=lambda: rows[0], fetchall=lambda: rows)


def test_each_node_without_the_rights_is_named_with_its_command() -> None:
    with pytest.raises(WarehouseRightMissing) as refused:
        require_rights(_Cluster())  # type: ignore[arg-type]
    assert str(refused.value) == (
        "user cdr may not create tables in the schema public on node b:5432; "
        'user cdr cannot use node c:5432: FATAL: role "cdr" does not exist'
    )
    assert "GRANT USAGE, CREATE ON SCHEMA public TO cdr;" in refused.value.hint
    assert "create the role cdr" in refused.value.hint


def test_a_network_that_is_cut_off_is_noticed_in_two_minutes(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        options = connection.info.get_parameters()
    assert {name: options[name] for name in options if name.startswith(("keepalives_", "tcp_"))} == {
        "keepalives_idle": "60", "keepalives_interval": "15", "keepalives_count": "4", "tcp_user_timeout": "120000",
    }  # fmt: skip
    with connect(make_conninfo(warehouse_url, keepalives_idle=7)) as connection:
        assert connection.info.get_parameters()["keepalives_idle"] == "7"
