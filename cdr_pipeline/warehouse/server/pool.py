"""Pool of asynchronous, read-only connections with a time limit per statement.

A request makes few round trips: the commands that begin a scoped transaction are sent together, and a statement that
needs no scope runs without a transaction. The pool replaces broken connections; while the warehouse is unavailable,
requests fail with ``WarehouseUnavailable``.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from cdr_pipeline.errors import WarehouseError, WarehouseTimeout, WarehouseUnavailable
from cdr_pipeline.warehouse.accounts.tenancy import begin_scoped, not_admitted, scope_settings
from cdr_pipeline.warehouse.server.engine import (
    SESSION,
    alive_options,
    is_about_a_value,
    safe_message,
    value_not_storable,
)
from cdr_pipeline.warehouse.statements import statement


class PooledConnection(AsyncConnection[Any]):
    """A connection of the pool.

    Attributes:
        on_cluster: whether the server is the coordinator of a Citus cluster.
    """

    on_cluster: bool = True


Pool = AsyncConnectionPool[PooledConnection]
Reading = AsyncConnection[Any]
# Seconds that a request waits for a free connection; longer waits only lengthen the queue of a busy warehouse.
_WAIT_SECONDS: Final = 5.0
# Prepared statements of a connection. The plan of a page is about 0.1 MB for each month that the warehouse has.
_PREPARED: Final = 16
_CLUSTER: Final = "SELECT current_setting('citus.shard_count', true)"


def read_pool(url: str, *, connections: int, seconds: float, wait_seconds: float = _WAIT_SECONDS) -> Pool:
    """Creates a pool that is not open yet; the warehouse may be unavailable when it opens.

    Args:
        url: URL of the warehouse.
        connections: largest number of connections.
        seconds: default time limit of a statement in seconds.
        wait_seconds: seconds that a request waits for a free connection.
    """
    settings = SESSION | {"default_transaction_read_only": "on", "statement_timeout": f"{int(seconds * 1000)}ms"}
    commands = [
        sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in settings.items()
    ]

    async def configure(connection: PooledConnection) -> None:
        connection.prepared_max = _PREPARED
        await connection.execute(sql.SQL("; ").join(commands))
        row = await (await connection.execute(_CLUSTER, prepare=False)).fetchone()
        connection.on_cluster = row != (None,)

    return AsyncConnectionPool(
        url,
        connection_class=PooledConnection,
        min_size=min(2, connections),
        max_size=connections,
        timeout=wait_seconds,
        max_waiting=connections * 50,
        reconnect_timeout=30,
        configure=configure,
        open=False,
        kwargs={"autocommit": True, "connect_timeout": 5, "application_name": "cdr_pipeline api", **alive_options(url)},
    )


@asynccontextmanager
async def reading(
    pool: Pool,
    *,
    seconds: float,
    accounts: Sequence[str] | None = None,
    in_order: bool = False,
    planned_once: bool = False,
) -> AsyncGenerator[AsyncConnection[Any]]:
    """A read-only connection from the pool.

    Args:
        pool: pool of connections.
        seconds: time limit of each statement in seconds; applies with ``accounts`` only.
        accounts: accounts whose rows are visible, by row level security, in one transaction. None for all rows that
            the user of the pipeline can see; each statement is then its own transaction.
        in_order: read rows from an index in the order of the query; applies with ``accounts`` only.
        planned_once: use one plan for all values of a prepared statement; applies with ``accounts`` only.

    Raises:
        WarehouseUnavailable: no connection was free in time, or the connection broke.
        WarehouseTimeout: a statement exceeded its time limit; the connection stays usable.
        ValueNotStorable: PostgreSQL cannot represent a value of the search.
        ReaderNotAdmitted: the role for scoped reads is missing or not granted.
        WarehouseError: the database rejects a statement; values are left out of the message.
    """
    # The context manager of the pool ends the transaction: it commits, or rolls back after an error.
    async with _taken(pool) as connection:
        if accounts is not None:
            await begin_scoped(connection, accounts, seconds=seconds, in_order=in_order, planned_once=planned_once)
        yield connection


async def read_once(
    pool: Pool,
    query: sql.Composed,
    values: dict[str, Any],
    *,
    seconds: float,
    accounts: Sequence[str],
    in_order: bool = False,
    planned_once: bool = False,
) -> list[tuple[Any, ...]]:
    """Rows of one statement that sees the rows of some accounts only, in one round trip.

    The scope and the statement are sent together and form one transaction.

    Args:
        pool: pool of connections.
        query: the statement.
        values: its values.
        seconds: time limit in seconds.
        accounts: accounts whose rows are visible, by row level security.
        in_order: read rows from an index in the order of the query.
        planned_once: use one plan for all values of the statement.

    Raises:
        As ``reading``.
    """
    prepare = planned_once or None
    async with _taken(pool) as connection:
        options: dict[str, Any] = {"in_order": in_order, "planned_once": planned_once}
        if connection.on_cluster:
            await begin_scoped(connection, accounts, seconds=seconds, **options)
            cursor = await connection.execute(query, values, prepare=prepare)
            return await cursor.fetchall()
        # Nothing else may run in this block: after it, a statement sees all rows again.
        try:
            async with connection.pipeline():
                await connection.execute(*scope_settings(accounts, seconds, **options), prepare=True)
                cursor = await connection.execute(query, values, prepare=prepare)
        except psycopg.Error as error:
            raise not_admitted(error) or error from None
        return await cursor.fetchall()


@asynccontextmanager
async def _taken(pool: Pool) -> AsyncGenerator[PooledConnection]:
    """A connection of the pool; errors of the database become errors of the product."""
    try:
        async with pool.connection() as connection:
            yield connection
    except psycopg.errors.QueryCanceled:
        raise WarehouseTimeout(
            "the search took too long", hint="use a shorter period or fewer filters, or download the result as CSV"
        ) from None
    except PoolTimeout:
        raise WarehouseUnavailable("the warehouse has no free connection") from None
    except psycopg.Error as error:
        if is_about_a_value(error):
            raise value_not_storable(error) from None
        if not isinstance(error, psycopg.OperationalError):
            raise WarehouseError(f"the warehouse rejected a statement: {safe_message(error)}") from None
        raise WarehouseUnavailable(f"the warehouse failed: {safe_message(error)}") from None


async def written_position(connection: AsyncConnection[Any]) -> int:
    """Position that the warehouse has written to its log, in bytes."""
    row = await (await connection.execute(statement("operations/written_position"))).fetchone()
    return int(row[0]) if row else 0


async def replayed_position(connection: AsyncConnection[Any]) -> int | None:
    """Position that a replica has replayed, in bytes; None on a server that is not a replica."""
    row = await (await connection.execute(statement("operations/replayed_position"))).fetchone()
    return None if row is None or row[1] is None else int(row[1])


async def schema_revision(connection: AsyncConnection[Any]) -> str | None:
    """Revision of the tables; None if the database has none."""
    row = await (await connection.execute(statement("operations/schema_revision"))).fetchone()
    return str(row[0]) if row else None
