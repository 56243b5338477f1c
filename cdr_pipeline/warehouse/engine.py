"""Connections to the warehouse, embedded or not, with the session settings that every statement relies on."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import Engine, create_engine

from cdr_pipeline.errors import WarehouseError, WarehouseUnavailable
from cdr_pipeline.redaction import redact
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


def warehouse_url(settings: Settings) -> str:
    """URL of the operator's server, or of the embedded one, which is started when it does not run."""
    if settings.warehouse_url is not None:
        return settings.warehouse_url.get_secret_value()
    return EmbeddedServer(settings.warehouse_dir).ensure_running()


@contextmanager
def connect(url: str) -> Generator[psycopg.Connection[Any]]:
    """A connection in autocommit mode (transactions are opened by name) with ISO formats in UTC.

    Raises:
        WarehouseUnavailable: it cannot be reached, or goes away while it is used.
        WarehouseError: the database refuses a statement; values of rows are left out of the message.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10, application_name="cdr_pipeline")
    except psycopg.Error as error:
        raise WarehouseUnavailable(
            f"the warehouse cannot be reached: {safe_message(error)}",
            hint="'cdr-pipeline warehouse status' says whether it runs, 'cdr-pipeline config check' where it should",
        ) from None
    with connection:
        try:
            for name, value in SESSION.items():
                connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
            yield connection
        except psycopg.OperationalError as error:
            raise WarehouseUnavailable(f"the warehouse failed: {safe_message(error)}") from None
        except psycopg.Error as error:
            raise WarehouseError(f"the warehouse refused: {safe_message(error)}") from None


def engine(url: str) -> Engine:
    """A SQLAlchemy engine over psycopg 3, for migrations."""
    _, _, rest = url.partition("://")
    return create_engine(f"postgresql+psycopg://{rest}")


def safe_message(error: psycopg.Error) -> str:
    """SQLSTATE and primary message; DETAIL and CONTEXT may hold values of rows and are dropped."""
    primary = error.diag.message_primary or str(error).split("\n", 1)[0]
    return redact(f"[{error.sqlstate}] {primary}" if error.sqlstate else primary)
