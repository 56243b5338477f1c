"""C13, C14: who reads for an account sees its subtree and nothing else, on every path, over pooled connections too."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection, Connection, sql

from cdr_pipeline.errors import AccountNotFound, ReaderNotAdmitted, WarehouseError
from cdr_pipeline.warehouse.accounts.tenancy import READER, admit_reader, scoped, scoped_async
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.server.cluster import is_cluster
from cdr_pipeline.warehouse.server.engine import connect
from tests.support.records import rows

NOW = datetime(2026, 3, 9, tzinfo=UTC)
# top -> middle -> leaf, and another tree beside it.
PARENTS = {"top": None, "middle": "top", "leaf": "middle", "other": None}


@pytest.fixture
def connection(warehouse_url: str) -> Iterator[Connection]:
    with connect(warehouse_url) as open_connection:
        ledger = Ledger(open_connection)
        for name, parent in PARENTS.items():
            ledger.accounts.add(Account(name, parent_id=parent), now=NOW)
            header = BatchHeader(name, uuid4(), "window", "source", NOW, date(2026, 3, 2))
            with batch_load(open_connection, header) as load:
                frame = rows({"account_id": name, "record_id": f"of-{name}"})
                load.stage(frame)
                load.finish(read=frame.height)
        yield open_connection


def _seen(connection: Connection, table: str = "cdr_merged") -> set[str]:
    return {row[0] for row in connection.execute(sql.SQL("SELECT account_id FROM {}").format(sql.Identifier(table)))}


def _readable(connection: Connection) -> list[str]:
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v') AND relnamespace = 'public'::regnamespace"
        " AND has_table_privilege(%s, oid, 'SELECT')"
        " AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e') ORDER BY 1",
        [READER],
    )
    return [row[0] for row in found]


def test_an_account_sees_itself_and_those_below_it(connection: Connection) -> None:
    seen = {}
    for name in PARENTS:
        with scoped(connection, name) as accounts:
            seen[name] = _seen(connection)
            assert set(accounts) == seen[name]
    assert seen == {
        "top": {"top", "middle", "leaf"}, "middle": {"middle", "leaf"}, "leaf": {"leaf"}, "other": {"other"},
    }  # fmt: skip


@pytest.mark.fault("C13")
def test_without_a_scope_the_role_sees_zero_rows_and_no_error_says_more(connection: Connection) -> None:
    assert "cdr" in _readable(connection)
    for table in _readable(connection):
        with connection.transaction():
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(READER)))
            found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
            assert found == (0,), table


@pytest.mark.fault("C13")
def test_the_role_owns_nothing_and_bypasses_nothing(connection: Connection) -> None:
    attributes = connection.execute(
        "SELECT rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s",
        [READER],
    ).fetchone()
    # The coordinator of a cluster connects to the nodes with the role of the session.
    assert attributes == (False, False, is_cluster(connection), False, False)
    owned = connection.execute(
        "SELECT count(*) FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner WHERE rolname = %s", [READER]
    ).fetchone()
    assert owned == (0,)


@pytest.mark.fault("C13")
def test_every_table_the_role_may_read_is_isolated_with_closed_partitions(
    connection: Connection,
) -> None:
    for name in _readable(connection):
        kind, isolated, options = connection.execute(
            "SELECT relkind, relrowsecurity, reloptions FROM pg_class WHERE relname = %s", [name]
        ).fetchone() or (None, None, None)
        assert isolated or (kind == "v" and "security_invoker=true" in (options or ())), name
        assert not name.startswith("cdr_y")


@pytest.mark.fault("C13")
def test_the_role_writes_nothing(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        with scoped(connection, "top"):
            connection.execute("DELETE FROM cdr")
    with connection.transaction():
        connection.execute("SET LOCAL ROLE cdr_reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("DELETE FROM cdr")


def test_a_scope_ends_with_its_transaction_even_when_that_fails(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        with scoped(connection, "leaf"):
            connection.execute("SELECT 1 / 0")
    assert connection.execute("SELECT current_user, current_setting('cdr.account_scope', true)").fetchone() in {
        ("cdr", ""), ("cdr", None),
    }  # fmt: skip
    assert _seen(connection) == set(PARENTS)


def test_a_scope_shows_instants_in_utc_whatever_the_zone_of_a_node(connection: Connection) -> None:
    connection.execute("SET timezone = 'Asia/Kolkata'; SET datestyle = 'SQL, DMY'")
    with scoped(connection, "leaf"):
        row = connection.execute("SELECT timestamptz '2026-03-01 12:00+00' || '', date '2026-03-01' || ''").fetchone()
    assert row == ("2026-03-01 12:00:00+00", "2026-03-01")


def test_a_scope_within_another_transaction_is_refused(connection: Connection) -> None:
    with connection.transaction(), pytest.raises(WarehouseError, match="its own transaction"):
        with scoped(connection, "leaf"):
            pass


def test_an_unknown_account_has_no_scope(connection: Connection) -> None:
    with pytest.raises(AccountNotFound):
        with scoped(connection, "nobody"):
            pass


def test_a_role_that_sees_everything_is_not_used(connection: Connection) -> None:
    connection.execute("CREATE TABLE owned_by_reader (n int)")
    connection.execute("GRANT CREATE ON SCHEMA public TO cdr_reader")
    connection.execute("ALTER TABLE owned_by_reader OWNER TO cdr_reader")
    connection.execute("REVOKE CREATE ON SCHEMA public FROM cdr_reader")
    with pytest.raises(ReaderNotAdmitted, match="outside its scope"):
        with scoped(connection, "leaf"):
            pass
    connection.execute("DROP TABLE owned_by_reader")


def test_admitting_the_reader_twice_changes_nothing(connection: Connection) -> None:
    before = _readable(connection)
    assert admit_reader(connection)
    assert _readable(connection) == before


def test_ids_with_quotes_and_braces_are_ids_and_nothing_else(connection: Connection) -> None:
    odd = "a\"b\\c{,}'"
    Ledger(connection).accounts.add(Account(odd), now=NOW)
    with scoped(connection, odd) as accounts:
        assert accounts == (odd,)
        assert _seen(connection, "accounts") == {odd}


@pytest.mark.slow
@pytest.mark.fault("C14")
@pytest.mark.usefixtures("connection")
def test_a_thousand_pooled_interleavings_show_each_account_its_own_rows(warehouse_url: str) -> None:
    expected = {
        "top": {"top", "middle", "leaf"}, "middle": {"middle", "leaf"}, "leaf": {"leaf"}, "other": {"other"},
    }  # fmt: skip
    turns = random.Random(5)
    wanted = [turns.choice(sorted(PARENTS)) for _ in range(1000)]

    async def look(pool: asyncio.Queue[AsyncConnection], name: str) -> bool:
        pooled = await pool.get()
        right = False
        try:
            async with scoped_async(pooled, name):
                await asyncio.sleep(0)
                cursor = await pooled.execute("SELECT account_id FROM cdr_merged")
                right = {row[0] for row in await cursor.fetchall()} == expected[name]
                if turns.random() < 0.1:
                    await pooled.execute("SELECT 1 / 0")
        except psycopg.errors.DivisionByZero:
            pass
        finally:
            pool.put_nowait(pooled)
        return right

    async def everyone() -> list[bool]:
        pool: asyncio.Queue[AsyncConnection] = asyncio.Queue()
        opened = [await AsyncConnection.connect(warehouse_url, autocommit=True) for _ in range(4)]
        for one in opened:
            pool.put_nowait(one)
        found = await asyncio.gather(*(look(pool, name) for name in wanted))
        for one in opened:
            await one.close()
        return found

    assert all(asyncio.run(everyone()))
