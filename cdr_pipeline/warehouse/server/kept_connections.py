"""Connections that a server keeps open between requests, for reads without locks and session settings of their own."""

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from cdr_pipeline.warehouse.server.engine import connect


class ReadConnections:
    """Idle connections of one process. A busy server opens more than it keeps.

    Args:
        url: URL of the warehouse.
        kept: largest number of idle connections.
        statement_seconds: time limit of each statement in seconds; None for no limit.
    """

    def __init__(self, url: str, kept: int, statement_seconds: float | None = None) -> None:
        self._url = url
        self._statement_seconds = statement_seconds
        self._kept = kept
        self._idle: list[tuple[psycopg.Connection[Any], ExitStack]] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def connection(self) -> Generator[psycopg.Connection[Any]]:
        """An idle connection, or a new one. A connection that fails is closed and not used again.

        Raises:
            As ``engine.connect``.
        """
        connection, opened = self._take()
        try:
            yield connection
        except BaseException as error:
            # The stack translates errors of the database, as for a connection of its own.
            if not opened.__exit__(type(error), error, error.__traceback__):
                raise
        else:
            self._put_back(connection, opened)

    def close(self) -> None:
        """Closes idle connections now, and those in use when they are put back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, opened in idle:
            opened.close()

    def _take(self) -> tuple[psycopg.Connection[Any], ExitStack]:
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection, opened = self._idle.pop()
            if _is_alive(connection):
                return connection, opened
            opened.close()
        with ExitStack() as opening:
            connection = opening.enter_context(connect(self._url, statement_seconds=self._statement_seconds))
            # A plan for any array of accounts is one for ten; with 1,000 it takes seconds instead of milliseconds.
            connection.execute("SET plan_cache_mode = force_custom_plan")
            return connection, opening.pop_all()

    def _put_back(self, connection: psycopg.Connection[Any], opened: ExitStack) -> None:
        with self._lock:
            usable = not connection.broken and connection.info.transaction_status == TransactionStatus.IDLE
            if usable and not self._closed and len(self._idle) < self._kept:
                self._idle.append((connection, opened))
                return
        opened.close()


def _is_alive(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server still answers; it may have been restarted while the connection was idle."""
    try:
        connection.execute("")
    except psycopg.Error:
        return False
    return True
