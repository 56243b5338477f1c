"""Pooled, asynchronous connections for reading: each request is one read-only transaction with a time limit.

The pool mends itself: a connection that broke is replaced, and while the warehouse is away requests are told so.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from cdr_pipeline.errors import WarehouseError, WarehouseTimeout, WarehouseUnavailable
from cdr_pipeline.warehouse.engine import SESSION, safe_message
from cdr_pipeline.warehouse.tenancy import enter_scope

Pool = AsyncConnectionPool[AsyncConnection[Any]]
Reading = AsyncConnection[Any]
# How long a request waits for a free connection; longer waits would only queue up behind a busy warehouse.
_WAIT_SECONDS: Final = 5.0


def read_pool(url: str, *, connections: int, wait_seconds: float = _WAIT_SECONDS) -> Pool:
    """A pool that is not open yet; the warehouse may be away when it opens."""
    return AsyncConnectionPool(
        url,
        min_size=min(2, connections),
        max_size=connections,
        timeout=wait_seconds,
        max_waiting=connections * 50,
        reconnect_timeout=30,
        configure=_configure,
        open=False,
        kwargs={"autocommit": True, "connect_timeout": 5, "application_name": "cdr_pipeline api"},
    )


async def _configure(connection: AsyncConnection[Any]) -> None:
    for name, value in SESSION.items():
        await connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))


@asynccontextmanager
async def reading(
    pool: Pool, *, seconds: float, accounts: Sequence[str] | None = None
) -> AsyncGenerator[AsyncConnection[Any]]:
    """A read-only transaction whose statements may take so long each.

    Args:
        pool: of connections.
        seconds: for one statement.
        accounts: sees their rows and no others, by row level security; None sees all that the pipeline's user sees.

    Raises:
        WarehouseUnavailable: no connection within the wait, or it broke.
        WarehouseTimeout: a statement took too long; the connection is healthy afterwards.
        ReaderNotAdmitted: the role that sees single accounts is missing.
        WarehouseError: the database refuses a statement; values are left out of the message.
    """
    try:
        async with pool.connection() as connection, connection.transaction():
            await connection.execute(
                "SELECT set_config('transaction_read_only', 'on', true), set_config('statement_timeout', %s, true)",
                [f"{int(seconds * 1000)}ms"],
            )
            if accounts is not None:
                await enter_scope(connection, accounts)
            yield connection
    except psycopg.errors.QueryCanceled:
        raise WarehouseTimeout(
            "the search took too long", hint="ask for a shorter period or fewer filters, or download it as CSV"
        ) from None
    except PoolTimeout:
        raise WarehouseUnavailable("the warehouse has no connection free") from None
    except psycopg.OperationalError as error:
        raise WarehouseUnavailable(f"the warehouse failed: {safe_message(error)}") from None
    except psycopg.Error as error:
        raise WarehouseError(f"the warehouse refused: {safe_message(error)}") from None
