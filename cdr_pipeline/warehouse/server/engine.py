"""Connections to the warehouse, embedded or not, with the session settings that every statement relies on."""

import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure
from sqlalchemy import Engine, create_engine

from cdr_pipeline.errors import ValueNotStorable, WarehouseContended, WarehouseError, WarehouseUnavailable
from cdr_pipeline.privacy.redaction import redact
from cdr_pipeline.settings import Settings
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

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
_QUOTED: Final = re.compile(r'"[^"]*"')
# Data exception, program limit exceeded.
_ABOUT_VALUES: Final = ("22", "54")
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
def translated(work: Callable[[], str] | None = None) -> Generator[None]:
    """Raises the product's errors for the database's.

    Args:
        work: names what is being done, for the error of a value that cannot be stored.

    Raises:
        WarehouseContended: the transaction was rolled back for another's sake.
        ValueNotStorable: a value is beyond what a column or an index can hold; trying again does not help.
        WarehouseUnavailable: the connection broke, or the server ran out of something.
        WarehouseError: the database refuses a statement; values of rows are left out of the message.
    """
    try:
        yield
    except (DeadlockDetected, SerializationFailure, LockNotAvailable) as error:
        raise WarehouseContended(f"the warehouse was busy: {safe_message(error)}", hint="try again") from None
    except psycopg.OperationalError as error:
        if is_about_a_value(error):
            raise value_not_storable(error, work) from None
        raise WarehouseUnavailable(f"the warehouse failed: {safe_message(error)}") from None
    except psycopg.Error as error:
        if is_about_a_value(error):
            raise value_not_storable(error, work) from None
        raise WarehouseError(f"the warehouse refused: {safe_message(error)}") from None


def is_about_a_value(error: psycopg.Error) -> bool:
    """Whether PostgreSQL or psycopg cannot take a value: SQLSTATE class 22 or 54, or data that cannot be sent."""
    # psycopg takes class 54, a limit of the program, for an outage.
    return (error.sqlstate or "").startswith(_ABOUT_VALUES) or (
        error.sqlstate is None and isinstance(error, psycopg.DataError)
    )


def value_not_storable(error: psycopg.Error, work: Callable[[], str] | None = None) -> ValueNotStorable:
    """The product's error for one that ``is_about_a_value``; names the work, never the value."""
    place = f"{work()}: " if work else ""
    return ValueNotStorable(
        f"{place}the warehouse cannot hold a value: {_without_values(error)}",
        hint="the same load fails again: correct the row at its source, or report which field it was",
    )


def _without_values(error: psycopg.Error) -> str:
    """The message of an error about a value; what class 54 quotes is an index, what others quote may be the value."""
    said = safe_message(error)
    return said if (error.sqlstate or "").startswith("54") else _QUOTED.sub('"..."', said)


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
