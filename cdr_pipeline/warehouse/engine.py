"""Connections to the warehouse, embedded or not, with the session settings that every statement relies on."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure
from sqlalchemy import Engine, create_engine

from cdr_pipeline.errors import WarehouseContended, WarehouseError, WarehouseUnavailable
from cdr_pipeline.privacy.redaction import redact
from cdr_pipeline.settings import Settings
from cdr_pipeline.warehouse.embedded import EmbeddedServer

# Text of instants must not depend on whose server it is.
SESSION: Final = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "lock_timeout": "600s",
    "idle_in_transaction_session_timeout": "3600s",
}
# All in one round trip: a night opens a connection for each account.
_SESSION_SET: Final = sql.SQL("SELECT {}").format(
    sql.SQL(", ").join(
        sql.SQL("set_config({}, {}, false)").format(sql.Literal(name), sql.Literal(value))
        for name, value in SESSION.items()
    )
)
# What servers say whose connections are all taken; the code of the error is not passed on to who cannot connect.
_ALL_TAKEN: Final = ("too many clients", "remaining connection slots", "too many connections")
_FREE_CONNECTION_SECONDS: Final = 15.0


def warehouse_url(settings: Settings) -> str:
    """URL of the operator's server, or of the embedded one, which is started when it does not run."""
    if settings.warehouse_url is not None:
        return settings.warehouse_url.get_secret_value()
    return EmbeddedServer(settings.warehouse_dir).ensure_running()


@contextmanager
def connect(url: str) -> Generator[psycopg.Connection[Any]]:
    """A connection in autocommit mode (transactions are opened by name) with ISO formats in UTC.

    Raises:
        WarehouseUnavailable: it cannot be reached, has no connection free for a while, or goes away while it is used.
        WarehouseContended: another transaction stood in the way.
        WarehouseError: the database refuses a statement; values of rows are left out of the message.
    """
    with _opened(url) as connection, translated():
        connection.execute(_SESSION_SET)
        yield connection


@contextmanager
def translated() -> Generator[None]:
    """Raises the product's errors for the database's.

    Raises:
        WarehouseContended: the transaction was rolled back for another's sake.
        WarehouseUnavailable: the connection broke, or the server ran out of something.
        WarehouseError: the database refuses a statement; values of rows are left out of the message.
    """
    try:
        yield
    except (DeadlockDetected, SerializationFailure, LockNotAvailable) as error:
        raise WarehouseContended(f"the warehouse was busy: {safe_message(error)}", hint="try again") from None
    except psycopg.OperationalError as error:
        raise WarehouseUnavailable(f"the warehouse failed: {safe_message(error)}") from None
    except psycopg.Error as error:
        raise WarehouseError(f"the warehouse refused: {safe_message(error)}") from None


def _opened(url: str) -> psycopg.Connection[Any]:
    """Connects; waits while all of the server's connections are taken, but not for ever."""
    deadline = time.monotonic() + _FREE_CONNECTION_SECONDS
    while True:
        try:
            return psycopg.connect(url, autocommit=True, connect_timeout=10, application_name="cdr_pipeline")
        except psycopg.Error as error:
            said = safe_message(error)
            if any(full in said for full in _ALL_TAKEN) and time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            raise WarehouseUnavailable(
                f"the warehouse cannot be reached: {said}",
                hint="'cdr-pipeline warehouse status' says whether it runs, 'config check' where it should",
            ) from None


def engine(url: str) -> Engine:
    """A SQLAlchemy engine over psycopg 3, for migrations."""
    _, _, rest = url.partition("://")
    return create_engine(f"postgresql+psycopg://{rest}")


def safe_message(error: psycopg.Error) -> str:
    """SQLSTATE and primary message; DETAIL and CONTEXT may hold values of rows and are dropped."""
    primary = error.diag.message_primary or str(error).split("\n", 1)[0]
    return redact(f"[{error.sqlstate}] {primary}" if error.sqlstate else primary)
