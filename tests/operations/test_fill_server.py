"""A backup of the embedded warehouse fills the empty database of a server, whole or not at all."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.warehouse.server.backup import back_up
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.fill_server import fill_server
from cdr_pipeline.warehouse.server.migrate import require_current
from tests.support.commands import run_command

_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"


@pytest.fixture(scope="module")
def dump(embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("backup") / "warehouse.dump"
    back_up(embedded_server, target)
    return target


@pytest.fixture
def empty(embedded_server: EmbeddedServer) -> Iterator[str]:
    """URL of an empty database on the server of the tests."""
    name = f"moved_{secrets.token_hex(6)}"
    with psycopg.connect(embedded_server.url_of("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield embedded_server.url_of(name)
    with psycopg.connect(embedded_server.url_of("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute(_TABLES)}


def test_an_empty_database_gets_the_whole_warehouse(
    empty: str, dump: Path, embedded_server: EmbeddedServer, tmp_path: Path
) -> None:
    variables = {"CDR_WAREHOUSE_URL": empty, "CDR_DATA_DIR": str(tmp_path)}

    done = run_command("warehouse", "restore", str(dump), environment=variables)

    assert done.returncode == 0, done.stderr
    assert tables(empty) == tables(embedded_server.url_of("cdr"))
    require_current(empty)


def test_half_a_backup_leaves_the_database_empty(empty: str, dump: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.dump"
    half.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])

    with pytest.raises(WarehouseError, match="not restored"):
        fill_server(empty, half)

    assert tables(empty) == set()


def test_a_database_with_tables_is_not_filled(dump: Path, warehouse_url: str) -> None:
    with pytest.raises(WarehouseError, match="already; nothing was changed"):
        fill_server(warehouse_url, dump)
