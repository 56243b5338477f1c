"""A warehouse on the server that CDR_TEST_WAREHOUSE_URL names: one database for each worker, emptied for each test."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from cdr_pipeline.warehouse.server.cluster import distribute, is_cluster
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import current, head, scripts, upgrade

# Read when the tests are collected, because each test runs without the variables of the developer.
OUTSIDE_URL: Final = os.environ.get("CDR_TEST_WAREHOUSE_URL")
# Columns of the tables of this version, by the URL of the database.
_SHAPES: Final[dict[str, list[tuple[Any, ...]]]] = {}
# Written by migrations, not by the product.
_KEPT: Final = ("alembic_version", "migration_checksums", "api_secrets")

# Tables, views and functions of the schema. The schema itself cannot be dropped: extensions are in it as well.
_OWN_OBJECTS: Final = """
    SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass::text
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
        AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    UNION ALL
    SELECT 'FUNCTION', oid::regprocedure::text
    FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    """


@contextmanager
def outside_database(url: str, worker: str) -> Generator[str]:
    """URL of a migrated database of a worker, named after the one in the URL; distributed if it has Citus.

    The database stays for the next run. It is created if it does not exist; on a cluster an administrator creates it on
    each node, with the extension and the nodes.
    """
    parts = urlsplit(url)
    own = urlunsplit(parts._replace(path=f"{parts.path}_{worker}"))
    try:
        psycopg.connect(own).close()
    except psycopg.OperationalError:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"{parts.path[1:]}_{worker}")))
    _build(own)
    yield own


def emptied(url: str) -> str:
    """Empties every table of the product and drops the partitions of its months; returns the same URL.

    A test of migrations may have left tables of another version: they are built again.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        _end_other_sessions(connection)
        changed = _SHAPES.get(url) != _shape(connection)
    if changed or current(url) != head(scripts())[0]:
        _build(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for (partition,) in connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits INNER JOIN pg_class ON pg_class.oid = inhparent"
            " WHERE pg_class.relkind = 'p' AND pg_class.relnamespace = current_schema()::regnamespace"
        ).fetchall():
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(partition)))
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL(%s)"
            " AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')",
            [list(_KEPT)],
        ).fetchall()
        # A cluster takes a tenth of a second to empty a table, and few tables have rows.
        filled = [
            sql.Identifier(table)
            for (table,) in tables
            if connection.execute(
                sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(sql.Identifier(table)), prepare=False
            ).fetchone()
            == (True,)
        ]
        if filled:
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(filled)))
    return url


def _build(url: str) -> None:
    """Creates this version's tables in a database, which loses all others."""
    with psycopg.connect(url, autocommit=True) as connection:
        for kind, name in connection.execute(_OWN_OBJECTS).fetchall():
            connection.execute(sql.SQL("DROP {} IF EXISTS {} CASCADE").format(sql.SQL(kind), sql.SQL(name)))
    upgrade(url)
    with connect(url) as connection:
        if is_cluster(connection):
            distribute(connection)
    with psycopg.connect(url) as connection:
        _SHAPES[url] = _shape(connection)


def _shape(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """Columns of all tables but the partitions of months."""
    return connection.execute(
        "SELECT relname, attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " INNER JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p', 'v') AND NOT relispartition"
        " WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped"
        " ORDER BY relname, attnum"
    ).fetchall()


def _end_other_sessions(connection: psycopg.Connection[Any]) -> None:
    """Ends what a test before has left behind, so that no lock of it blocks."""
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND usename = current_user AND application_name LIKE 'cdr_pipeline%'"
    )
