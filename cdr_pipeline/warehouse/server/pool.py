"""Pooled, asynchronous connections for reading: each request is one read-only transaction with a time limit.

A request waits for the warehouse as seldom as it can: what a transaction begins with goes there in one piece, and what
needs no scope is a statement of its own. The pool mends itself: a connection that broke is replaced, and while the
warehouse is away requests are told so.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from cdr_pipeline.errors import WarehouseError, WarehouseTimeout, WarehouseUnavailable
from cdr_pipeline.warehouse.accounts.tenancy import begin_scoped
from cdr_pipeline.warehouse.server.engine import SESSION, is_about_a_value, safe_message, value_not_storable
from cdr_pipeline.warehouse.statements import statement

Pool = AsyncConnectionPool[AsyncConnection[Any]]
Reading = AsyncConnection[Any]
# How long a request waits for a free connection; longer waits would only queue up behind a busy warehouse.
_WAIT_SECONDS: Final = 5.0


def read_pool(url: str, *, connections: int, seconds: float, wait_seconds: float = _WAIT_SECONDS) -> Pool:
    """A pool that is not open yet; the warehouse may be away when it opens.

    Args:
        url: of the warehouse.
        connections: most of them.
        seconds: that a statement may take unless its transaction says otherwise.
        wait_seconds: how long a request waits for a free one.
    """
    settings = SESSION | {"default_transaction_read_only": "on", "statement_timeout": f"{int(seconds * 1000)}ms"}
    commands = [sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(of)) for name, of in settings.items()]

    async def configure(connection: AsyncConnection[Any]) -> None:
        await connection.execute(sql.SQL("; ").join(commands))

    return AsyncConnectionPool(
        url,
        min_size=min(2, connections),
        max_size=connections,
        timeout=wait_seconds,
        max_waiting=connections * 50,
        reconnect_timeout=30,
        configure=configure,
        open=False,
        kwargs={"autocommit": True, "connect_timeout": 5, "application_name": "cdr_pipeline api"},
    )


@asynccontextmanager
async def reading(
    pool: Pool, *, seconds: float, accounts: Sequence[str] | None = None, in_order: bool = False
) -> AsyncGenerator[AsyncConnection[Any]]:
    """A connection that can only read.

    Args:
        pool: of connections.
        seconds: for one statement of a scope.
        accounts: in one transaction, sees their rows and no others, by row level security; None sees all that the
            pipeline's user sees, each statement being its own transaction.
        in_order: of a scope: rows are to be read in the order in which they are asked for.

    Raises:
        WarehouseUnavailable: no connection within the wait, or it broke.
        WarehouseTimeout: a statement took too long; the connection is healthy afterwards.
        ValueNotStorable: a value of the search is none that PostgreSQL can take.
        ReaderNotAdmitted: the role that sees single accounts is missing.
        WarehouseError: the database refuses a statement; values are left out of the message.
    """
    try:
        # The pool's context ends what was begun: it commits, or rolls back what failed.
        async with pool.connection() as connection:
            if accounts is not None:
                await begin_scoped(connection, accounts, seconds=seconds, in_order=in_order)
            yield connection
    except psycopg.errors.QueryCanceled:
        raise WarehouseTimeout(
            "the search took too long", hint="ask for a shorter period or fewer filters, or download it as CSV"
        ) from None
    except PoolTimeout:
        raise WarehouseUnavailable("the warehouse has no connection free") from None
    except psycopg.Error as error:
        if is_about_a_value(error):
            raise value_not_storable(error) from None
        if not isinstance(error, psycopg.OperationalError):
            raise WarehouseError(f"the warehouse refused: {safe_message(error)}") from None
        raise WarehouseUnavailable(f"the warehouse failed: {safe_message(error)}") from None


async def schema_revision(connection: AsyncConnection[Any]) -> str | None:
    """The revision of the tables; None for a database without any."""
    row = await (await connection.execute(statement("operations/schema_revision"))).fetchone()
    return str(row[0]) if row else None
