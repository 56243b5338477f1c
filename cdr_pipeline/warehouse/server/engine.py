"""Connections to the embedded or external warehouse, their session settings, and the translation of errors."""

import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled, SerializationFailure

from cdr_pipeline.errors import (
    ValueNotStorable,
    WarehouseContended,
    WarehouseError,
    WarehouseLoginRefused,
    WarehouseTimeout,
    WarehouseTooOld,
    WarehouseUnavailable,
)
from cdr_pipeline.privacy.redaction import redact
from cdr_pipeline.settings import Settings
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.pooling import is_pooled, require_own_sessions

if TYPE_CHECKING:
    from sqlalchemy import Engine

# Session settings, so that the text of instants does not depend on the configuration of the server.
SESSION: Final = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    # Compiling a plan of many partitions takes longer than running it.
    "jit": "off",
    "lock_timeout": "600s",
    "idle_in_transaction_session_timeout": "3600s",
}
# All settings in one round trip, because a night opens a connection per account.
_TOO_LONG: Final = "the warehouse took too long"
_SESSION_SET: Final = sql.SQL("SELECT {}").format(
    sql.SQL(", ").join(
        (
            sql.SQL("pg_backend_pid()"),
            *(
                sql.SQL("set_config({}, {}, false)").format(sql.Literal(name), sql.Literal(value))
                for name, value in SESSION.items()
            ),
        )
    )
)
OLDEST_VERSION: Final = 15
# libpq's options: seconds of silence before the first probe, between probes, lost probes; milliseconds for sent data.
_ALIVE: Final = {"keepalives_idle": 60, "keepalives_interval": 15, "keepalives_count": 4, "tcp_user_timeout": 120_000}
_QUOTED: Final = re.compile(r'"[^"]*"')
# The part of CONTEXT in which a cluster names the node that rejected a statement.
_NODE: Final = re.compile(r"while executing command on ([\w.:-]+)")
# SQLSTATE classes: data exception, program limit exceeded.
_ABOUT_VALUES: Final = ("22", "54")
# Messages of a server without free connections; psycopg has no SQLSTATE for a failed connection.
_ALL_TAKEN: Final = ("too many clients", "remaining connection slots", "too many connections")
_FREE_CONNECTION_SECONDS: Final = 15.0
# Messages of logins that a retry does not help, of PostgreSQL and of pgbouncer, and what to do about them.
_LOGIN_HINTS: Final = (
    (
        "authentication failed|no password supplied",
        "correct the user and password in CDR_WAREHOUSE_URL; special characters in it are percent-encoded",
    ),
    (
        r'database "[^"]*" does not exist|no such database',
        "as an administrator: CREATE DATABASE ... OWNER the user of CDR_WAREHOUSE_URL; or correct the name in the URL",
    ),
    (
        r'role "[^"]*" (does not exist|is not permitted to log in)|no such user',
        "as an administrator: CREATE ROLE ... LOGIN PASSWORD ...; or correct the user in CDR_WAREHOUSE_URL",
    ),
    (
        'permission denied for database "',
        "as an administrator: GRANT CONNECT ON DATABASE ... TO the user of CDR_WAREHOUSE_URL",
    ),
    (
        "no pg_hba.conf entry|pg_hba.conf rejects",
        "as an administrator: admit this machine in pg_hba.conf and reload; or add ?sslmode=require to the URL",
    ),
)


def warehouse_url(settings: Settings) -> str:
    """URL of the configured server, or of the embedded server, which is started if it is not running."""
    if settings.warehouse_url is not None:
        return settings.warehouse_url.get_secret_value()
    return EmbeddedServer(settings.warehouse_dir).ensure_running()


def restart_crashed(settings: Settings, url: str) -> bool:
    """Starts the embedded server again if it was killed; returns whether it did.

    Args:
        settings: settings of this process.
        url: URL of the warehouse in use; nothing happens unless it is that of the embedded server.

    Raises:
        WarehouseUnavailable: the server could not be started.
    """
    if settings.warehouse_url is not None or not settings.warehouse_dir.exists():
        return False
    server = EmbeddedServer(settings.warehouse_dir)
    return server.url == url and server.restart_after_crash()


@contextmanager
def connect(url: str, *, statement_seconds: float | None = None) -> Generator[psycopg.Connection[Any]]:
    """A connection in autocommit mode (transactions are opened explicitly) with ISO formats in UTC.

    Args:
        url: URL of the warehouse.
        statement_seconds: time limit of each statement in seconds, waits for locks included; None for no limit.

    Raises:
        WarehouseTimeout: a statement exceeded ``statement_seconds``.
        WarehouseUnavailable: the server cannot be reached, has no free connection, or ends during the block.
        WarehouseLoginRefused: the server does not admit this user to this database.
        WarehouseTooOld: the server is older than the oldest supported version.
        WarehousePooled: a pooler changes the session with each transaction.
        WarehouseContended: conflict with another transaction.
        WarehouseError: the database rejects a statement; values of rows are left out of the message.
    """
    with _opened(url) as connection, translated():
        _require_version(connection)
        row = connection.execute(_SESSION_SET, prepare=False).fetchone()
        if row is not None and is_pooled(connection, row[0]):
            require_own_sessions(url)
        if statement_seconds is None:
            yield connection
            return
        connection.execute("SELECT set_config('statement_timeout', %s, false)", [f"{int(statement_seconds * 1000)}ms"])
        try:
            yield connection
        except QueryCanceled:
            raise WarehouseTimeout(_TOO_LONG, hint="try again later") from None


def _require_version(connection: psycopg.Connection[Any]) -> None:
    version = connection.info.server_version // 10_000
    if version < OLDEST_VERSION:
        raise WarehouseTooOld(
            f"the warehouse runs PostgreSQL {version}, {OLDEST_VERSION} or later is required",
            hint="upgrade the server, or let CDR_WAREHOUSE_URL name a newer one",
        )


@contextmanager
def translated(work: Callable[[], str] | None = None) -> Generator[None]:
    """Translates errors of the database into errors of the product.

    Args:
        work: returns a description of the current work, for the message about a value that cannot be stored.

    Raises:
        WarehouseContended: the transaction was rolled back because of a conflict with another one.
        ValueNotStorable: a value exceeds the limits of a column or an index; a retry fails again.
        WarehouseTimeout: a statement exceeded its time limit.
        WarehouseUnavailable: the connection broke, or the server ran out of a resource.
        WarehouseError: the database rejects a statement; values of rows are left out of the message.
    """
    try:
        yield
    except (DeadlockDetected, SerializationFailure, LockNotAvailable) as error:
        raise WarehouseContended(f"the warehouse was busy: {safe_message(error)}", hint="try again") from None
    except psycopg.OperationalError as error:
        if is_about_a_value(error):
            raise value_not_storable(error, work) from None
        # A statement that an administrator cancels has the same state, and may be repeated at once.
        if isinstance(error, QueryCanceled) and "statement timeout" in str(error):
            raise WarehouseTimeout(_TOO_LONG, hint="try again later") from None
        raise WarehouseUnavailable(f"the warehouse failed: {safe_message(error)}") from None
    except psycopg.Error as error:
        if is_about_a_value(error):
            raise value_not_storable(error, work) from None
        raise WarehouseError(f"the warehouse rejected a statement: {safe_message(error)}") from None


def is_about_a_value(error: psycopg.Error) -> bool:
    """Whether PostgreSQL or psycopg rejects a value: SQLSTATE class 22 or 54, or data that cannot be sent."""
    # psycopg reports class 54, a program limit, as an operational error.
    return (error.sqlstate or "").startswith(_ABOUT_VALUES) or (
        error.sqlstate is None and isinstance(error, psycopg.DataError)
    )


def value_not_storable(error: psycopg.Error, work: Callable[[], str] | None = None) -> ValueNotStorable:
    """The product's error for an error about a value; the message names the work, never the value."""
    prefix = f"{work()}: " if work else ""
    return ValueNotStorable(
        f"{prefix}the warehouse cannot hold a value: {_without_values(error)}",
        hint="a retry fails again; correct the row at its source and import it again",
    )


def _without_values(error: psycopg.Error) -> str:
    """Message of an error about a value, without the value: class 54 quotes an index, others may quote the value."""
    message = safe_message(error)
    return message if (error.sqlstate or "").startswith("54") else _QUOTED.sub('"..."', message)


def _opened(url: str) -> psycopg.Connection[Any]:
    """Connects to the server; waits a limited time for a free connection."""
    deadline = time.monotonic() + _FREE_CONNECTION_SECONDS
    while True:
        try:
            return psycopg.connect(
                url, autocommit=True, connect_timeout=10, application_name="cdr_pipeline", **alive_options(url)
            )
        except psycopg.Error as error:
            message = safe_message(error)
            if any(text in message for text in _ALL_TAKEN) and time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            if (hint := _login_hint(message)) is not None:
                raise WarehouseLoginRefused(f"the warehouse refuses the login: {message}", hint=hint) from None
            raise WarehouseUnavailable(
                f"the warehouse cannot be reached: {message}",
                hint="'cdr-pipeline warehouse status' shows whether it runs, 'cdr-pipeline config check' its settings",
            ) from None


def alive_options(url: str) -> dict[str, Any]:
    """Options of a connection that the URL does not have, so that a network that is cut off is noticed in two minutes.

    The time limits of statements are the server's: without these, a client that gets no answer waits for hours.
    """
    return {name: value for name, value in _ALIVE.items() if f"{name}=" not in url}


def _login_hint(message: str) -> str | None:
    """What to do about a login that fails again until a person changes something; None for any other failure."""
    return next((hint for text, hint in _LOGIN_HINTS if re.search(text, message)), None)


def engine(url: str) -> "Engine":
    """A SQLAlchemy engine over psycopg 3, for migrations."""
    _, _, rest = url.partition("://")
    from sqlalchemy import create_engine  # noqa: PLC0415 - slow to import, and only migrations need it

    return create_engine(f"postgresql+psycopg://{rest}")


def safe_message(error: psycopg.Error) -> str:
    """SQLSTATE, primary message and, on a cluster, node of an error.

    DETAIL and CONTEXT may contain values of rows and are left out.
    """
    primary = error.diag.message_primary or str(error).split("\n", 1)[0]
    if node := _NODE.search(error.diag.context or ""):
        primary = f"{primary} (on node {node[1]})"
    return redact(f"[{error.sqlstate}] {primary}" if error.sqlstate else primary)
