"""A statement that is sent together with its scope sees the accounts of that scope, and no other statement does."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any, LiteralString
from uuid import uuid4

import pytest
from psycopg import sql

from cdr_pipeline.errors import WarehouseError, WarehouseTimeout
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.pool import Pool, read_once, read_pool
from tests.support.records import rows

NOW = datetime(2026, 3, 9, tzinfo=UTC)
SEEN = sql.SQL("SELECT account_id, {} + 0 FROM cdr_merged").format(sql.Placeholder("number"))
STATE = (
    "SELECT current_user = session_user, current_setting('cdr.account_scope'), current_setting('enable_sort'),"
    " current_setting('plan_cache_mode'), current_setting('statement_timeout')"
)


@pytest.fixture
def filled_url(warehouse_url: str) -> str:
    with connect(warehouse_url) as connection:
        for name in ("one", "two", "other"):
            Ledger(connection).accounts.add(Account(name), now=NOW)
            with batch_load(connection, BatchHeader(name, uuid4(), "window", "s", NOW, date(2026, 3, 2))) as load:
                load.stage(rows({"account_id": name, "record_id": f"of-{name}"}))
                load.finish(read=1)
    return warehouse_url


async def _scopes(pool: Pool, *, on_cluster: bool) -> tuple[list[set[str]], list[Any]]:
    """What statements with several scopes see over one connection, and its state after them."""
    async with pool.connection() as pooled:
        pooled.on_cluster |= on_cluster
    found: list[set[str]] = []
    for accounts in (["one", "two"], ["other"], list[str]()):
        for planned_once in (True, False):
            seen = await read_once(
                pool, SEEN, {"number": 1}, seconds=10, accounts=accounts, in_order=True, planned_once=planned_once
            )
            found.append({row[0] for row in seen})
    async with pool.connection() as pooled:
        return found, await (await pooled.execute(STATE)).fetchall()


async def _faults(pool: Pool) -> list[Any]:
    """Rows of a statement after others have failed over the same connection."""
    faults: tuple[tuple[LiteralString, float, type[Exception]], ...] = (
        ("SELECT pg_sleep(5)", 0.05, WarehouseTimeout),
        ("SELECT no_such_column", 10, WarehouseError),
        ("DELETE FROM cdr", 10, WarehouseError),
    )
    for query, seconds, error in faults:
        with pytest.raises(error):
            await read_once(pool, sql.SQL(query).format(), {}, seconds=seconds, accounts=["one"])
    return await read_once(pool, SEEN, {"number": 1}, seconds=10, accounts=["one"], planned_once=True)


@pytest.mark.fault("C14")
def test_a_scope_ends_with_its_statement(filled_url: str) -> None:
    async def ask(*, on_cluster: bool) -> None:
        async with read_pool(filled_url, connections=1, seconds=20) as pool:
            found, state = await _scopes(pool, on_cluster=on_cluster)
        assert found == [{"one", "two"}] * 2 + [{"other"}] * 2 + [set()] * 2
        assert state == [(True, "", "on", "auto", "20s")]

    for on_cluster in (False, True):
        asyncio.run(ask(on_cluster=on_cluster))


@pytest.mark.fault("C14")
def test_a_statement_with_its_scope_fails_alone(filled_url: str) -> None:
    async def ask() -> list[Any]:
        async with read_pool(filled_url, connections=1, seconds=20) as pool:
            return await _faults(pool)

    assert asyncio.run(ask()) == [("one", 1)]
