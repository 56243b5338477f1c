"""A cluster's tables are distributed all at once; on another server there is nothing to distribute."""

from collections.abc import Generator
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import Connection, sql

from cdr_pipeline.errors import WarehouseNotMigrated
from cdr_pipeline.warehouse.server import cluster
from cdr_pipeline.warehouse.server.cluster import distribute, is_cluster, require_ready, show_times_in_utc
from cdr_pipeline.warehouse.server.engine import connect

_ADDED: tuple[LiteralString, ...] = ("added_first", "added_second")


@pytest.fixture
def with_new_tables(warehouse_url: str) -> Generator[str]:
    """URL of a distributed cluster to which an update has just added two tables."""
    with connect(warehouse_url) as connection:
        if not is_cluster(connection):
            pytest.skip("only a cluster has tables to distribute")
        for table in _ADDED:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))
            connection.execute(sql.SQL("CREATE TABLE {} (account_id text PRIMARY KEY)").format(sql.Identifier(table)))
            connection.execute(sql.SQL("INSERT INTO {} VALUES ('acct')").format(sql.Identifier(table)))
        yield warehouse_url
        for table in _ADDED:
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(table)))


def test_every_session_of_the_user_shows_times_in_utc(warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET timezone = 'Asia/Kolkata'").format(name))
        show_times_in_utc(connection)
        try:
            with psycopg.connect(warehouse_url) as other:
                row = other.execute(
                    "SELECT timestamptz '2026-03-01 12:00+00' || '', date '2026-03-01' || ''"
                ).fetchone()
        finally:
            connection.execute(sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} RESET ALL").format(name))
            if is_cluster(connection):
                show_times_in_utc(connection)
    assert row == ("2026-03-01 12:00:00+00", "2026-03-01")


def test_a_node_in_another_zone_is_refused(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        if not is_cluster(connection):
            pytest.skip("only a cluster has nodes")
        name = sql.Identifier(connection.info.dbname)
        require_ready(connection)
        connection.execute(sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET timezone = 'Asia/Kolkata'").format(name))
    with connect(warehouse_url) as connection:
        with pytest.raises(WarehouseNotMigrated, match="Asia/Kolkata"):
            require_ready(connection)
        distribute(connection)
    with connect(warehouse_url) as connection:
        require_ready(connection)


def _distributed(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid::text = any(%s)", [list(_ADDED)]
        ).fetchone()
    assert row is not None
    return row[0]


def test_a_distribution_killed_between_tables_can_be_repeated(
    with_new_tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = cluster.statement, 0

    def killed_at_the_second(name: str) -> Any:
        nonlocal calls
        calls += name == "operations/distribute_table"
        if calls == 2 and name == "operations/distribute_table":
            _kill(with_new_tables, killed)
        return whole(name)

    monkeypatch.setattr(cluster, "statement", killed_at_the_second)
    with connect(with_new_tables) as killed, pytest.raises(psycopg.OperationalError):
        distribute(killed)
    monkeypatch.undo()

    assert _distributed(with_new_tables) == 0
    with connect(with_new_tables) as connection:
        with pytest.raises(WarehouseNotMigrated, match="added_first, added_second"):
            require_ready(connection)
        assert distribute(connection) == _ADDED
        assert connection.execute("SELECT count(*) FROM added_second").fetchone() == (1,)
        assert distribute(connection) == ()
    assert _distributed(with_new_tables) == 2


def _kill(url: str, connection: Connection[Any]) -> None:
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_terminate_backend(%s::integer, 5000::bigint)", [connection.info.backend_pid])
