"""Detects a connection pooler that gives each transaction another session of the server.

The product keeps state in its sessions: time zone and time limits, prepared statements, temporary tables, and claims
that end with their session. A pooler in transaction mode (pgbouncer: ``pool_mode = transaction``) hands that state to
other clients and loses it for this one. In session mode a pooler changes nothing.
"""

from functools import cache
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.errors import ProtocolViolation

from cdr_pipeline.errors import WarehousePooled

_BACKEND: Final = "SELECT pg_backend_pid()"
# One look can miss it when other clients take the released session first.
_LOOKS: Final = 5


def is_pooled(connection: Connection[Any], backend_pid: int) -> bool:
    """Whether a pooler is between this connection and the server.

    A pooler announces a key of its own for cancelling a statement instead of the process id of the server.

    Args:
        connection: connection in autocommit mode.
        backend_pid: result of ``pg_backend_pid()`` over the connection.
    """
    return connection.info.backend_pid != backend_pid


@cache
def require_own_sessions(url: str) -> None:
    """Requires that a connection keeps its session of the server between transactions; asked once per process.

    Raises:
        WarehousePooled: two connections were served by the same session.
    """
    options: dict[str, Any] = {"autocommit": True, "connect_timeout": 10, "application_name": "cdr_pipeline"}
    with psycopg.connect(url, **options) as first, psycopg.connect(url, **options) as second:
        try:
            kept = all(_keeps_session(first, second) for _ in range(_LOOKS))
        except ProtocolViolation:
            # In statement mode pgbouncer rejects BEGIN.
            kept = False
    if not kept:
        raise WarehousePooled(
            "the warehouse is behind a connection pooler that changes the session with each transaction",
            hint="set pool_mode = session for this database in the pooler, or let the URL name the server itself; "
            "the API keeps a pool of its own (CDR_SERVE_CONNECTIONS)",
        )


def _keeps_session(first: Connection[Any], second: Connection[Any]) -> bool:
    before = _backend(first)
    with second.transaction():
        # The second connection holds a session here; the first gets back its own, or another one.
        return _backend(second) != before and _backend(first) == before


def _backend(connection: Connection[Any]) -> int:
    # Unprepared: a statement that a connection prepares stays in the session, where another one may find it.
    row = connection.execute(_BACKEND, prepare=False).fetchone()
    return int(row[0]) if row else 0
