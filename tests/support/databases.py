"""Databases for tests: copies of a migrated template on a server that does not wait for the disk.

A copy takes ten times as long as deleting the few rows of a test, so a copy is emptied and used again, unless the test
has changed more than rows.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

# A database is nine megabytes in 300 files: flushing them takes ten times as long as copying them.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "file_copy_method": "clone"}


def stop_flushing(server: EmbeddedServer) -> None:
    """Turns off what protects data from a power cut; a server that is killed keeps everything."""
    with psycopg.connect(server.url_of("postgres"), autocommit=True) as admin:
        for name, value in _NOT_DURABLE.items():
            admin.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        admin.execute("SELECT pg_reload_conf()")


@contextmanager
def copied_database(server: EmbeddedServer, prefix: str = "test") -> Iterator[str]:
    """URL of an empty warehouse of this version, dropped at the end."""
    name = f"{prefix}_{secrets.token_hex(6)}"
    copy, drop = "CREATE DATABASE {} TEMPLATE cdr STRATEGY file_copy", "DROP DATABASE {} WITH (FORCE)"
    with psycopg.connect(server.url_of("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL(copy).format(sql.Identifier(name)))
    yield server.url_of(name)
    with psycopg.connect(server.url_of("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL(drop).format(sql.Identifier(name)))


# Tests that use a database one after the other: rows that were deleted slow it down a little.
_MOST_USES: Final = 60
# A test with more bytes in a table than this leaves no database to empty.
_MOST_BYTES: Final = 4 * 1024**2
# Everything in a database that is not a row: relations, columns, code, rules and settings.
_SHAPE: Final = """
SELECT md5(string_agg(part, chr(10) ORDER BY part))
FROM (
    SELECT concat_ws(' ', 'relation', oid::regclass, relkind, relrowsecurity, relforcerowsecurity, reloptions, relacl)
    FROM pg_class WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
    UNION ALL
    SELECT concat_ws(' ', 'column', attrelid::regclass, attname, atttypid::regtype, attnotnull, attnum)
    FROM pg_attribute INNER JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
    UNION ALL
    SELECT concat_ws(' ', 'function', oid::regprocedure, md5(prosrc), proacl) FROM pg_proc WHERE oid >= 16384
    UNION ALL
    SELECT concat_ws(' ', 'trigger', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT concat_ws(' ', 'policy', polrelid::regclass, polname, pg_get_expr(polqual, polrelid)) FROM pg_policy
    UNION ALL
    SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, convalidated) FROM pg_constraint WHERE oid >= 16384
    UNION ALL
    SELECT concat_ws(' ', 'setting', setrole, setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL
    SELECT concat_ws(' ', 'prepared', gid) FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT concat_ws(' ', 'schema', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL
    SELECT concat_ws(' ', 'extension', extname) FROM pg_extension
) AS shape (part)
"""
_MONTHS: Final = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname <> ALL(%s)"
_OTHERS: Final = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


class ReusedDatabases:
    """Databases of one server that are emptied after each test.

    Args:
        server: its database ``cdr`` is the template.
    """

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._free: list[_Copy] = []
        with psycopg.connect(server.url, autocommit=True) as template:
            self._shape = _value(template, _SHAPE)
            self._months = [name for (name,) in template.execute(_MONTHS, [[]]).fetchall()]
            tables = template.execute(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
                " AND relnamespace = current_schema()::regnamespace ORDER BY relname"
            ).fetchall()
            self._tables = [name for (name,) in tables]
            # What migrations write is never emptied.
            self._kept = _with_rows(template, self._tables)
            self._contents = self._contents_of(template)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """URL of a warehouse without records, in the revision of the code."""
        copy = self._free.pop() if self._free else self._copy()
        yield self._server.url_of(copy.name)
        copy.uses += 1
        if copy.uses < _MOST_USES and self._emptied(copy):
            self._free.append(copy)
        else:
            self._drop(copy)

    def close(self) -> None:
        """Closes the connections to all databases."""
        for copy in self._free:
            copy.close()

    def _copy(self) -> "_Copy":
        name = f"reused_{secrets.token_hex(6)}"
        with psycopg.connect(self._server.url_of("postgres"), autocommit=True) as admin:
            copy = "CREATE DATABASE {} TEMPLATE cdr STRATEGY file_copy"
            admin.execute(sql.SQL(copy).format(sql.Identifier(name)))
        return _Copy(name)

    def _drop(self, copy: "_Copy") -> None:
        copy.close()
        with psycopg.connect(self._server.url_of("postgres"), autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(copy.name)))

    def _emptied(self, copy: "_Copy") -> bool:
        """Deletes all rows of a test; False if the database then differs from the template."""
        connection = copy.connection
        if connection is None or not _is_alive(connection):
            connection = psycopg.connect(self._server.url_of(copy.name), autocommit=True, prepare_threshold=0)
            connection.execute("SET session_replication_role = replica")
            copy.connection = connection
        for (pid,) in connection.execute(_OTHERS).fetchall():
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        for (month,) in connection.execute(_MONTHS, [self._months]).fetchall():
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(month)))
        if _value(connection, _SHAPE) != self._shape or self._contents_of(connection) != self._contents:
            return False
        return self._without_rows(connection)

    def _without_rows(self, connection: psycopg.Connection[Any]) -> bool:
        tables = [name for name in _with_rows(connection, self._tables) if name not in self._kept]
        largest = "SELECT coalesce(max(pg_relation_size(name::regclass)), 0) FROM unnest(%s::text[]) AS name"
        if _value(connection, largest, tables) > _MOST_BYTES:
            return False
        for table in tables:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        used = connection.execute("SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL").fetchall()
        for (name,) in used:
            connection.execute(sql.SQL("ALTER SEQUENCE {} RESTART").format(sql.Identifier(name)))
        return True

    def _contents_of(self, connection: psycopg.Connection[Any]) -> list[object]:
        text = "SELECT md5(string_agg(kept::text, ' ' ORDER BY kept::text)) FROM {} AS kept"
        return [_value(connection, sql.SQL(text).format(sql.Identifier(name))) for name in self._kept]


@dataclass
class _Copy:
    """A database, how often tests have used it, and the connection that empties it.

    A new connection has read nothing of the catalogue: to read it again takes longer than to delete the rows of a test.
    """

    name: str
    uses: int = 0
    connection: psycopg.Connection[Any] | None = None

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


def _is_alive(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def _with_rows(connection: psycopg.Connection[Any], tables: list[str]) -> list[str]:
    looks = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} WHERE EXISTS (SELECT 1 FROM {})").format(sql.Literal(name), sql.Identifier(name))
        for name in tables
    )
    return [name for (name,) in connection.execute(looks).fetchall()]


def _value(connection: psycopg.Connection[Any], query: Any, *parameters: object) -> Any:
    row = connection.execute(query, parameters or None).fetchone()
    return None if row is None else row[0]
