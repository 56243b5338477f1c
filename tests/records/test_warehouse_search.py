"""Every search finds what it should by an index, as the role that sees one account's subtree."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from psycopg import AsyncConnection, sql

from cdr_pipeline.core.records.search import Compare, InstantRange, Operator, PageKey, PathEquals, Search
from cdr_pipeline.warehouse.accounts.tenancy import begin_scoped
from cdr_pipeline.warehouse.records.batch import BatchHeader, BatchKind
from cdr_pipeline.warehouse.records.candidates import SearchTerms, narrowed, network_terms, search_terms
from cdr_pipeline.warehouse.records.conditions import BoundValues
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.records.search import (
    _composed,  # pyright: ignore[reportPrivateUsage]
    find_legs,
    find_page,
    is_planned_once,
    is_read_in_order,
)
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import upgrade
from cdr_pipeline.warehouse.statements import statement
from tests.support.records import rows

# Enough rows for the planner to mind.
pytestmark = pytest.mark.slow
NOW = datetime(2026, 3, 9, tzinfo=UTC)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
RECORDS = 30_000
SPAN = InstantRange("started_at", FIRST, FIRST + timedelta(days=90))


def _records(origin: str, count: int) -> pl.DataFrame:
    """Three months of calls; every value sought is in few of them."""
    number = pl.int_range(count, dtype=pl.Int64)
    text = number.cast(pl.String)
    began = pl.lit(FIRST) + pl.duration(seconds=number * 250)
    rare = number % 1000 == 7
    few = (number % 200).cast(pl.String)
    return rows({"origin": origin}).select(pl.all().repeat_by(count).explode()).with_columns(
        pl.concat_str(pl.lit(f"{origin[0]}-"), text).alias("record_id"),
        pl.concat_str(pl.lit("call-"), text).alias("call_id"),
        began.alias("started_at"),
        (began + pl.duration(seconds=30)).alias("ended_at"),
        began.dt.date().alias("business_date"),
        pl.when(rare).then(pl.lit("+4930123")).otherwise(pl.concat_str(pl.lit("+1212555"), text)).alias("caller_e164"),
        pl.when(rare).then(pl.lit("030123")).otherwise(pl.concat_str(pl.lit("+1212555"), text))
        .alias("caller_id_number"),
        pl.concat_str(pl.lit("+33"), (number % 90_000 + 100_000).cast(pl.String)).alias("callee_e164"),
        pl.concat_str(pl.lit("198.51.100."), few).alias("remote_rtp_address"),
        # One call in 200 would be too many: reading a table of this size whole costs as little.
        pl.concat_str(pl.lit("gw"), (number % 1000).cast(pl.String), pl.lit(".example")).alias("to_host"),
        pl.when(rare).then(pl.lit("USER_BUSY")).otherwise(pl.lit("NORMAL_CLEARING")).alias("hangup_cause"),
        # Calls of three legs; of every other hundred the switch only says the bridge, which is the first leg's call.
        pl.when(number // 100 % 2 == 0).then(pl.concat_str(pl.lit("together-"), (number // 3).cast(pl.String)))
        .alias("interaction_id"),
        pl.when(number // 100 % 2 == 1).then(pl.concat_str(pl.lit("call-"), (number // 4 * 4).cast(pl.String)))
        .alias("bridge_id"),
        number.alias("line"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A warehouse with some months of one account, a tenth of its legs linked to imported records."""
    server = EmbeddedServer(tmp_path_factory.mktemp("searched"))
    server.ensure_running()
    upgrade(server.url)
    with connect(server.url) as connection:
        connection.execute(
            "INSERT INTO accounts (account_id, name, time_zone, active, added_at)"
            " VALUES ('acct', '', 'UTC', true, now())"
        )
        loads: list[tuple[BatchKind, str, int]] = [("window", "api", RECORDS), ("upload", "imported", RECORDS // 10)]
        for kind, origin, count in loads:
            with batch_load(connection, BatchHeader("acct", uuid4(), kind, "s", NOW, date(2026, 1, 1))) as load:
                load.stage(_records(origin, count))
                load.finish(read=count)
        connection.execute("VACUUM ANALYZE")
    yield server.url
    server.destroy()


async def _plan_and_ids(url: str, search: Search, start: PageKey | None = None) -> tuple[str, set[str]]:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await begin_scoped(connection, search.accounts, in_order=is_read_in_order(search))
        query, bound = _composed("records/page", search, start)
        values: dict[str, Any] = bound.values | {"row_limit": 50, "utc_offset": 0}
        explained = await connection.execute(sql.SQL("EXPLAIN ANALYZE ") + query, values)
        plan = "\n".join(row[0] for row in await explained.fetchall())
        found = await connection.execute(query, values)
        return plan, {row[1] for row in await found.fetchall()}


def _search(*conditions: Any, span: InstantRange | None = SPAN) -> Search:
    return Search(("acct",), tuple(conditions), span)


def _read_rows(plan: str) -> int:
    """Most rows that one scan of the records looked at."""
    scans = re.findall(r"Scan.* on cdr_y\w+.*rows=([\d.]+) loops=(\d+)", plan)
    removed = [int(found) for found in re.findall(r"Rows Removed by Filter: (\d+)", plan)]
    return int(max([float(rows) * int(loops) for rows, loops in scans] + removed))


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        (Compare(("call_id",), Operator.EQUALS, ("call-77",)), "call_id_account_id"),
        (PathEquals(("call_id",), ("call-77",)), "call_id_account_id"),
        (Compare(("caller_e164", "callee_e164"), Operator.PREFIX, ("+4930",)), "account_id_caller_e164"),
        (Compare(("caller_e164", "caller_id_number"), Operator.EQUALS, ("030123",)), "account_id_caller_id_number"),
        (Compare(("callee_e164",), Operator.EQUALS, ("+33100777",)), "account_id_callee_e164"),
        (Compare(("to_host",), Operator.EQUALS, ("gw7.example",)), "account_id_to_host"),
        (Compare(("remote_rtp_address",), Operator.WITHIN, ("198.51.100.7/32",)), "account_id_remote_rtp_address"),
        (
            Compare(("from_host", "to_host", "remote_rtp_address", "local_rtp_address"), Operator.WITHIN,
                    ("198.51.100.8/31",)),
            "account_id_remote_rtp_address",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_selective_filters_are_answered_by_an_index(filled: str, condition: Any, index: str) -> None:
    plan, ids = asyncio.run(_plan_and_ids(filled, _search(condition)))
    assert re.search(rf"Index Scan (using|on) cdr_y\d+m\d+_{index}", plan), plan
    assert ids
    assert _read_rows(plan) < RECORDS / 2


def test_a_page_is_read_in_the_order_of_time_in_both_directions(filled: str) -> None:
    for ascending in (True, False):
        search = Search(("acct",), (), SPAN, ascending=ascending)
        plan, ids = asyncio.run(_plan_and_ids(filled, search))
        assert len(ids) == 50
        assert re.search(r"Index Scan (Backward )?using cdr_y\d+m\d+_account_id_started_at", plan), plan
        assert _read_rows(plan) < 500


@pytest.mark.parametrize(
    "condition",
    [
        Compare(("hangup_cause",), Operator.EQUALS, ("USER_BUSY",)),
        Compare(("origin",), Operator.EQUALS, ("api+imported",)),
        Compare(("caller_id_name", "hangup_cause"), Operator.CONTAINS, ("busy",)),
    ],
    ids=["hangup cause", "origin", "free text"],
)
def test_other_filters_read_no_more_than_the_time_asked_for(filled: str, condition: Any) -> None:
    day = InstantRange("started_at", FIRST, FIRST + timedelta(days=2))
    plan, ids = asyncio.run(_plan_and_ids(filled, _search(condition, span=day)))
    assert ids
    assert "Seq Scan on cdr_y" not in plan
    assert _read_rows(plan) < RECORDS / 5


@pytest.mark.parametrize(
    "condition",
    [
        None,
        Compare(("hangup_cause",), Operator.EQUALS, ("NORMAL_CLEARING",)),
        Compare(("owner_id", "realm", "origin"), Operator.EQUALS, ("api",)),
    ],
    ids=["none", "hangup cause", "customer"],
)
def test_a_page_by_the_end_of_the_call_reads_little_of_its_period(filled: str, condition: Any) -> None:
    span = InstantRange("saved_at", FIRST, FIRST + timedelta(days=60))
    plan, ids = asyncio.run(_plan_and_ids(filled, _search(*([] if condition is None else [condition]), span=span)))
    assert len(ids) == 50
    assert _read_rows(plan) < 500, plan


@pytest.mark.parametrize(
    "condition",
    [None, Compare(("hangup_cause",), Operator.EQUALS, ("NORMAL_CLEARING",))],
    ids=["none", "hangup cause"],
)
def test_a_page_of_one_business_day_is_ordered_by_the_end_of_its_calls(filled: str, condition: Any) -> None:
    day = Compare(("business_date",), Operator.EQUALS, (date(2026, 2, 10),))
    search = _search(day, *([] if condition is None else [condition]), span=None)
    plan, ids = asyncio.run(_plan_and_ids(filled, search))
    assert len(ids) == 50
    assert _read_rows(plan) < 100, plan


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ("together-70", {"a-210", "a-211", "a-212"}),
        ("a-211", {"a-210", "a-211", "a-212"}),
        ("a-302", {"a-300", "a-301", "a-302", "a-303"}),
        ("nothing", set[str]()),
    ],
    ids=["interaction", "a leg of one", "a leg of a bridge", "unknown"],
)
def test_legs_of_a_call_are_found_by_an_index(filled: str, identity: str, expected: set[str]) -> None:
    async def ask() -> tuple[str, set[str]]:
        async with await AsyncConnection.connect(filled, autocommit=True) as connection:
            await begin_scoped(connection, ["acct"])
            values = {"account_id": "acct", "identity": identity, "row_limit": 1000}
            explained = await connection.execute(b"EXPLAIN ANALYZE " + statement("records/legs"), values)
            plan = "\n".join(row[0] for row in await explained.fetchall())
            return plan, {row["record_id"] for row in await find_legs(connection, "acct", identity)}

    plan, found = asyncio.run(ask())
    assert found == expected
    assert "Seq Scan on cdr_y" not in plan, plan
    assert _read_rows(plan) < 100, plan


def test_a_page_far_into_a_walk_does_not_read_what_is_before_it(filled: str) -> None:
    start = PageKey(FIRST + timedelta(days=20), "zzz", "api")
    search = _search(span=InstantRange("saved_at", FIRST, FIRST + timedelta(days=60)))
    plan, ids = asyncio.run(_plan_and_ids(filled, search, start))
    assert len(ids) == 50
    assert _read_rows(plan) < 500, plan


def test_a_repeated_search_is_still_planned_for_its_values(filled: str) -> None:
    search = _search(Compare(("caller_e164", "callee_e164"), Operator.PREFIX, ("+4930",)))

    async def ask_often() -> list[tuple[int, int]]:
        async with await AsyncConnection.connect(filled, autocommit=True) as connection:
            for _ in range(15):
                await begin_scoped(connection, search.accounts)
                await find_page(connection, search, size=50, start=None)
                await connection.commit()
            plans = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%cdr_merged%'"
            return await (await connection.execute(plans)).fetchall()

    ((generic, custom),) = asyncio.run(ask_often())
    assert generic == 0
    assert custom > 5


@pytest.mark.parametrize("ascending", [True, False])
def test_pages_without_filters_are_planned_once(filled: str, ascending: bool) -> None:
    span = InstantRange("saved_at", FIRST + timedelta(days=40), FIRST + timedelta(days=41))
    search = replace(_search(span=span), ascending=ascending)
    assert is_planned_once(search)

    async def ask_often() -> tuple[list[tuple[int, int]], str, list[str], list[str]]:
        async with await AsyncConnection.connect(filled, autocommit=True) as connection:
            pages: list[list[str]] = []
            for planned_once in (False, True, True):
                await begin_scoped(connection, search.accounts, in_order=True, planned_once=planned_once)
                pages.append((await find_page(connection, search, size=50, start=None)).rows)
                await connection.commit()
            prepared = "FROM pg_prepared_statements WHERE statement LIKE '%page_moment%'"
            plans = await (
                await connection.execute(f"SELECT generic_plans, custom_plans {prepared}".encode())
            ).fetchall()
            ((name,),) = await (await connection.execute(f"SELECT name {prepared}".encode())).fetchall()
            query, bound = _composed("records/page", search, None)
            values = bound.values | {"row_limit": 51, "utc_offset": 0}
            order = dict.fromkeys(re.findall(r"%\((\w+)\)s", query.as_string(None)))
            given = sql.SQL(", ").join(sql.Literal(values[item]) for item in order)
            await begin_scoped(connection, search.accounts, in_order=True, planned_once=True)
            executed = sql.SQL("EXPLAIN ANALYZE EXECUTE {}({})").format(sql.Identifier(name), given)
            explained = await (await connection.execute(executed)).fetchall()
            return plans, "\n".join(row[0] for row in explained), pages[0], pages[-1]

    plans, plan, custom, generic = asyncio.run(ask_often())
    assert plans == [(2, 1)]
    assert custom == generic
    assert len(generic) == 50
    # The plan knows no values, and yet leaves out the months that the period does not touch.
    assert "Subplans Removed" in plan
    assert _read_rows(plan) < 500, plan


@pytest.mark.parametrize(
    "condition",
    [
        Compare(("caller_e164",), Operator.PREFIX, ("+4930",)),
        Compare(("hangup_cause",), Operator.EQUALS, ("USER_BUSY",)),
        PathEquals(("call_direction",), ("inbound",)),
    ],
)
def test_pages_with_a_filter_are_planned_for_its_values(condition: Compare | PathEquals) -> None:
    assert not is_planned_once(_search(condition, span=SPAN))


def test_a_value_that_only_the_linked_file_has_is_found(filled: str) -> None:
    with connect(filled) as connection:
        day = date(2026, 2, 1)
        with batch_load(connection, BatchHeader("acct", uuid4(), "window", "s", NOW, day)) as load:
            began = datetime(2026, 2, 1, 8, tzinfo=UTC)
            leg = {"record_id": "linked", "call_id": "both", "started_at": began, "business_date": day}
            load.stage(rows(leg))
            load.finish(read=1, record=False)
        with batch_load(connection, BatchHeader("acct", uuid4(), "upload", "s", NOW)) as load:
            load.stage(rows(leg | {"origin": "imported", "record_id": "its", "caller_e164": "+8613912345"}))
            load.finish(read=1, record=False)
    search = _search(Compare(("caller_e164",), Operator.PREFIX, ("+8613",)))
    _, ids = asyncio.run(_plan_and_ids(filled, search))
    assert ids == {"linked"}


def test_narrowing_never_loses_a_leg(filled: str) -> None:
    for prefix in ("+4930", "+33100", "+12125550"):
        condition = Compare(("caller_e164", "callee_e164"), Operator.PREFIX, (prefix,))
        _, ids = asyncio.run(_plan_and_ids(filled, _search(condition)))
        with psycopg.connect(filled) as connection:
            expected = connection.execute(
                "SELECT record_id FROM cdr_merged"
                " WHERE starts_with(caller_e164, %(p)s) OR starts_with(callee_e164, %(p)s)"
                " ORDER BY started_at DESC, record_id DESC LIMIT 50",
                {"p": prefix},
            ).fetchall()
        assert ids == {row[0] for row in expected}


@pytest.mark.parametrize(
    ("networks", "found"),
    [
        (["192.0.2.7/32"], SearchTerms(("a",), ("192.0.2.7",))),
        (["192.0.2.0/24"], SearchTerms(("a",), (), ("192.0.2.",))),
        (["192.0.2.6/31"], SearchTerms(("a",), ("192.0.2.6", "192.0.2.7"))),
        (["192.0.0.0/23"], SearchTerms(("a",), (), ("192.0.0.", "192.0.1."))),
        (["10.0.0.0/9"], None),
        (["0.0.0.0/4"], None),
        (["2001:db8::/32"], None),
    ],
)
def test_networks_are_beginnings_of_addresses(networks: list[str], found: SearchTerms | None) -> None:
    assert network_terms(("a",), networks) == found


def test_what_says_too_little_is_not_looked_up() -> None:
    for sought in (SearchTerms(("caller_e164",), prefixes=("+1",)), SearchTerms(("user_agent",), values=("x",))):
        assert narrowed(sought, ["acct"], BoundValues().add, None) is None
    assert search_terms(Compare(("caller_e164",), Operator.SUFFIX, ("1",))) is None
