"""Read-only transactions limited to an account's subtree by row level security.

The role ``cdr_reader`` owns no tables and cannot bypass row level security. It sees the rows of the accounts that the
transaction has set as its scope; without a scope it sees no rows. The scope and the role end with the transaction, so a
pooled connection carries nothing over to the next request.
"""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import Any, Final

from psycopg import AsyncConnection, Connection, sql
from psycopg.errors import InsufficientPrivilege, InvalidParameterValue
from psycopg.pq import TransactionStatus

from cdr_pipeline.errors import AccountNotFound, ReaderNotAdmitted, WarehouseError
from cdr_pipeline.warehouse.statements import statement

READER: Final = "cdr_reader"
_SECONDS: Final = 30.0
# PostgreSQL has no statistics for a condition on a column of the merged view. It expects few matching rows and reads
# a whole period for a page that the first hundred rows fill, so sorting is turned off. Behind row level security it
# also expects few links and compares each leg with all of them in memory; index lookups take a fiftieth of that time.
# Parallel workers do not speed up a page and would be missing for other requests.
_IN_ORDER: Final = {"enable_sort": "off", "enable_material": "off", "max_parallel_workers_per_gather": "0"}
# A generic plan is made once for a connection and leaves out the months of a period when it begins; a custom plan is
# made for each execution, which takes most of the time of a page if there are years of months. Citus has no generic
# plans for several shards.
_PLANNED_ONCE: Final = sql.SQL(
    "SELECT set_config('plan_cache_mode', CASE WHEN current_setting('citus.shard_count', true) IS NULL"
    " THEN 'force_generic_plan' ELSE 'force_custom_plan' END, true)"
)


@contextmanager
def scoped(connection: Connection[Any], account_id: str, *, seconds: float = _SECONDS) -> Generator[tuple[str, ...]]:
    """A read-only transaction that sees the rows of an account and of the accounts below it.

    Args:
        connection: not in a transaction; a scope set inside an open transaction would outlive this block.
        account_id: root of the subtree.
        seconds: time limit of each statement in seconds.

    Yields:
        Ids of the visible accounts, the root first.

    Raises:
        AccountNotFound: there is no such account.
        ReaderNotAdmitted: the role is missing, or could see more than its scope.
    """
    _require_idle(connection.info.transaction_status)
    with connection.transaction():
        row = connection.execute(statement("accounts/account_scope"), {"account_id": account_id}).fetchone()
        reader = connection.execute(statement("accounts/reader_state")).fetchone()
        accounts = _accounts(account_id, row, reader)
        for command in _scope_commands(accounts, seconds):
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
        row = await cursor.fetchone()
        cursor = await connection.execute(statement("accounts/reader_state"))
        accounts = _accounts(account_id, row, await cursor.fetchone())
        for command in _scope_commands(accounts, seconds):
            await connection.execute(command)
        yield accounts


async def begin_scoped(
    connection: AsyncConnection[Any],
    accounts: Sequence[str],
    *,
    seconds: float = _SECONDS,
    in_order: bool = False,
    planned_once: bool = False,
) -> None:
    """Begins a read-only transaction that sees the rows of these accounts and no others, in one round trip.

    The caller ends the transaction.

    Args:
        connection: not in a transaction.
        accounts: ids of the visible accounts.
        seconds: time limit of each statement in seconds.
        in_order: read rows from an index in the order of the query, instead of reading all rows and sorting them.
        planned_once: use one plan for all values of a prepared statement.

    Raises:
        ReaderNotAdmitted: the role is missing or not granted.
        WarehouseError: the connection is in a transaction.
    """
    _require_idle(connection.info.transaction_status)
    try:
        await connection.execute(_beginning(tuple(accounts), seconds, in_order=in_order, planned_once=planned_once))
    except (InvalidParameterValue, InsufficientPrivilege):
        raise _not_admitted() from None


@lru_cache(1024)
def _beginning(accounts: tuple[str, ...], seconds: float, *, in_order: bool, planned_once: bool) -> bytes:
    commands: list[sql.Composable] = [sql.SQL("BEGIN"), *_scope_commands(accounts, seconds)]
    commands += _local(_IN_ORDER) if in_order else []
    commands += [_PLANNED_ONCE] if planned_once else []
    return sql.SQL("; ").join(commands).as_bytes(None)


def scope_settings(
    accounts: Sequence[str], seconds: float, *, in_order: bool, planned_once: bool
) -> tuple[bytes, dict[str, str]]:
    """A statement that limits the rest of its transaction as ``begin_scoped`` does, and its values.

    As a query, it can be sent with the one that it is for, without waiting. Not for Citus, whose nodes do not learn of
    these settings and show no rows.

    Args:
        accounts: ids of the visible accounts.
        seconds: time limit of each statement in seconds.
        in_order: read rows from an index in the order of the query, instead of reading all rows and sorting them.
        planned_once: use one plan for all values of a prepared statement.
    """
    settings = {"transaction_read_only": "on"} | _limits(accounts, seconds)
    settings |= {"plan_cache_mode": "force_generic_plan"} if planned_once else {}
    settings |= _IN_ORDER if in_order else {}
    settings["role"] = READER
    return _setting(tuple(settings)), {f"to_{place}": value for place, value in enumerate(settings.values())}


@lru_cache(16)
def _setting(names: tuple[str, ...]) -> bytes:
    calls = (
        sql.SQL("set_config({}, {}, true)").format(sql.Literal(name), sql.Placeholder(f"to_{place}"))
        for place, name in enumerate(names)
    )
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls)).as_bytes(None)


def not_admitted(error: Exception) -> ReaderNotAdmitted | None:
    """The product's error if the role for scoped reads is missing or not granted."""
    return _not_admitted() if isinstance(error, InvalidParameterValue | InsufficientPrivilege) else None


def admit_reader(connection: Connection[Any]) -> bool:
    """Creates the role ``cdr_reader`` if this user may, and grants it the isolated tables.

    Returns:
        Whether the role is ready for use.
    """
    with connection.transaction():
        return connection.execute(statement("accounts/admit_reader")).fetchone() == (True,)


def _require_idle(status: TransactionStatus) -> None:
    if status is not TransactionStatus.IDLE:
        raise WarehouseError("a scope needs its own transaction, and this connection is already in one")


def _accounts(account_id: str, row: tuple[Any, ...] | None, reader: tuple[Any, ...] | None) -> tuple[str, ...]:
    (accounts,) = row or ([],)
    reader_exists, reader_sees_all, may_become_reader = reader or (False, False, False)
    if not accounts:
        raise AccountNotFound(f"no account {account_id}", hint="'cdr-pipeline accounts list' shows all accounts")
    if not reader_exists or not may_become_reader:
        raise _not_admitted()
    if reader_sees_all:
        raise ReaderNotAdmitted(
            f"the role {READER} can see rows outside its scope",
            hint=f"ALTER ROLE {READER} NOSUPERUSER NOBYPASSRLS, and change the owner of tables that the role owns",
        )
    return tuple(accounts)


def _not_admitted() -> ReaderNotAdmitted:
    return ReaderNotAdmitted(
        f"the role {READER} is missing or not granted to this user",
        hint=f"as an administrator: CREATE ROLE {READER} NOLOGIN; GRANT {READER} TO the pipeline's user; "
        "then run 'cdr-pipeline warehouse migrate'",
    )


def _scope_commands(accounts: Sequence[str], seconds: float) -> tuple[sql.SQL | sql.Composed, ...]:
    """Commands that limit an open transaction to these accounts.

    A Citus cluster forwards SET LOCAL to its nodes, but only after the first command; without it the nodes would show
    no rows, and instants in their own zone. A single server ignores that command.
    """
    return (
        sql.SQL("SET LOCAL citus.propagate_set_commands = 'local'"),
        sql.SQL("SET LOCAL timezone = 'UTC'"),
        sql.SQL("SET LOCAL datestyle = 'ISO, YMD'"),
        sql.SQL("SET TRANSACTION READ ONLY"),
        *_local(_limits(accounts, seconds)),
        sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(READER)),
    )


def _limits(accounts: Sequence[str], seconds: float) -> dict[str, str]:
    """Settings of a transaction that sees some accounts.

    Custom plans are forced: after some runs of a prepared statement the server would switch to a generic plan, which
    ignores the months of a period and the selectivity of a prefix and took a hundred times as long.
    """
    names = ",".join('"' + name.replace("\\", r"\\").replace('"', r"\"") + '"' for name in accounts)
    return {
        "statement_timeout": f"{int(seconds * 1000)}ms",
        "plan_cache_mode": "force_custom_plan",
        "cdr.account_scope": "{" + names + "}",
    }


def _local(settings: Mapping[str, str]) -> list[sql.Composed]:
    """Commands that make settings for the rest of a transaction."""
    return [
        sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(*name.split(".")), sql.Literal(value))
        for name, value in settings.items()
    ]
