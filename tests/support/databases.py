"""Databases for tests: copies of a migrated template on a server that does not wait for the disk."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

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
