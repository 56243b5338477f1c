"""Reading on behalf of an account: a role that sees the account's subtree and nothing else, whatever is asked.

The role ``cdr_reader`` owns nothing, cannot bypass row level security, and sees the rows of the accounts that the
transaction has set as its scope; without a scope it sees none. The scope and the role end with the transaction, so a
pooled connection carries nothing over to the next request.
"""

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from psycopg import AsyncConnection, Connection, sql
from psycopg.errors import InsufficientPrivilege, InvalidParameterValue
from psycopg.pq import TransactionStatus

from cdr_pipeline.errors import AccountNotFound, ReaderNotAdmitted, WarehouseError
from cdr_pipeline.warehouse.statements import statement

READER: Final = "cdr_reader"
_SECONDS: Final = 30.0
# Nobody knows how many rows a condition on a column of the merged view lets through: PostgreSQL believes that few, and
# reads a whole period for a page that the first hundred rows fill. Behind row level security it also believes that an
# account has few links, and compared each leg with all of them kept in memory; looked up one by one they cost a
# fiftieth. Workers are of no use to a page and are missed by the others who ask.
_IN_ORDER: Final = sql.SQL(
    "SET LOCAL enable_sort = off; SET LOCAL enable_material = off; SET LOCAL max_parallel_workers_per_gather = 0"
)


@contextmanager
def scoped(connection: Connection[Any], account_id: str, *, seconds: float = _SECONDS) -> Generator[tuple[str, ...]]:
    """A read-only transaction that sees the account and those below it.

    Args:
        connection: idle; the transaction is opened here, because a scope set within another one would outlive it.
        account_id: root of the subtree.
        seconds: how long each statement may take.

    Yields:
        The accounts that are seen, the root first.

    Raises:
        AccountNotFound: there is no such account.
        ReaderNotAdmitted: the role is missing, or could see more than its scope.
    """
    _require_idle(connection.info.transaction_status)
    with connection.transaction():
        found = connection.execute(statement("accounts/account_scope"), {"account_id": account_id}).fetchone()
        accounts = _accounts(account_id, found)
        for command in _entering(accounts, seconds):
            connection.execute(command)
        yield accounts


@asynccontextmanager
async def scoped_async(
    connection: AsyncConnection[Any], account_id: str, *, seconds: float = _SECONDS
) -> AsyncGenerator[tuple[str, ...]]:
    """``scoped`` over an asynchronous connection."""
    _require_idle(connection.info.transaction_status)
    async with connection.transaction():
        cursor = await connection.execute(statement("accounts/account_scope"), {"account_id": account_id})
        accounts = _accounts(account_id, await cursor.fetchone())
        for command in _entering(accounts, seconds):
            await connection.execute(command)
        yield accounts


async def begin_scoped(
    connection: AsyncConnection[Any], accounts: Sequence[str], *, seconds: float = _SECONDS, in_order: bool = False
) -> None:
    """Begins a read-only transaction that sees the rows of these accounts and no others, in one round trip.

    Whoever calls this ends the transaction.

    Args:
        connection: idle.
        accounts: those that are seen.
        seconds: how long each statement may take.
        in_order: rows are to be read in the order in which they are asked for, rather than all and then sorted.

    Raises:
        ReaderNotAdmitted: the role is missing or not granted.
        WarehouseError: the connection is within a transaction.
    """
    _require_idle(connection.info.transaction_status)
    commands = (sql.SQL("BEGIN"), *_entering(accounts, seconds), *((_IN_ORDER,) if in_order else ()))
    try:
        await connection.execute(sql.SQL("; ").join(commands))
    except (InvalidParameterValue, InsufficientPrivilege):
        raise _not_admitted() from None


def admit_reader(connection: Connection[Any]) -> bool:
    """Makes the role where this user may, and lets it read what is isolated; returns whether it is ready."""
    with connection.transaction():
        return connection.execute(statement("accounts/admit_reader")).fetchone() == (True,)


def _require_idle(status: TransactionStatus) -> None:
    if status is not TransactionStatus.IDLE:
        raise WarehouseError("a scope needs a transaction of its own, and this connection is within one")


def _accounts(account_id: str, found: tuple[Any, ...] | None) -> tuple[str, ...]:
    accounts, reader_exists, reader_sees_all, may_become_reader = found or ([], False, False, False)
    if not accounts:
        raise AccountNotFound(f"no account {account_id}", hint="'cdr-pipeline accounts list' shows those there are")
    if not reader_exists or not may_become_reader:
        raise _not_admitted()
    if reader_sees_all:
        raise ReaderNotAdmitted(
            f"the role {READER} can see rows outside its scope",
            hint=f"ALTER ROLE {READER} NOSUPERUSER NOBYPASSRLS, and let it own no table",
        )
    return tuple(accounts)


def _not_admitted() -> ReaderNotAdmitted:
    return ReaderNotAdmitted(
        f"the role {READER} is missing or not granted to this user",
        hint=f"as an administrator: CREATE ROLE {READER} NOLOGIN; GRANT {READER} TO the pipeline's user; "
        "then run 'cdr-pipeline warehouse migrate'",
    )


def _entering(accounts: Sequence[str], seconds: float) -> tuple[sql.SQL | sql.Composed, ...]:
    """SET LOCAL throughout: a cluster passes it on to its nodes, unlike set_config.

    A search is planned for the values it looks for: a plan for any values, which the server would change over to after
    some runs of a prepared statement, knows neither the months of a period nor how many legs a prefix finds, and took
    a hundred times as long.
    """
    scope = "{" + ",".join('"' + name.replace("\\", r"\\").replace('"', r"\"") + '"' for name in accounts) + "}"
    return (
        sql.SQL("SET TRANSACTION READ ONLY"),
        sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(f"{int(seconds * 1000)}ms")),
        sql.SQL("SET LOCAL plan_cache_mode = force_custom_plan"),
        sql.SQL("SET LOCAL cdr.account_scope = {}").format(sql.Literal(scope)),
        sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(READER)),
    )
