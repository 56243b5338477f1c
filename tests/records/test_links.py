"""Links and the merged view in SQL agree with the rules in core, whatever comes and in whatever order."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cdr_pipeline.core.fields.dictionary import FIELDS, canonical_schema, names
from cdr_pipeline.core.records.links import TOGETHER, merged_legs, pairs_by_call_id, precedence_table
from cdr_pipeline.warehouse.records.batch import BatchHeader, LoadedBatch
from cdr_pipeline.warehouse.records.links import Link, reconciled_links, set_links, withdraw_links
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.server.engine import connect
from tests.support.examples import examples
from tests.support.records import rows

NOW = datetime(2026, 3, 9, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KIND = {"api": "window", "imported": "upload"}
TABLES = "TRUNCATE cdr, cdr_keys, cdr_links, cdr_history, batches, days"


def _record(origin: str, number: int, call: str | None, hours: int, **more: Any) -> dict[str, Any]:
    started = NOON + timedelta(hours=hours)
    return {
        "origin": origin, "record_id": f"{origin[0]}{number}", "call_id": call, "started_at": started,
        "business_date": started.date(),
    } | more  # fmt: skip


# Few call ids, starts and lengths: pairs, ties, several records of one call, pairs too far apart, corrections.
RECORD = st.builds(
    _record,
    st.sampled_from(["api", "imported"]),
    st.integers(1, 3),
    st.sampled_from([None, "c", "d"]),
    st.sampled_from([0, 1, 11, 13, 24, 26, 47]),
    duration_seconds=st.sampled_from([None, Decimal(10), Decimal(11)]),
    cost=st.sampled_from([None, Decimal(0), Decimal("1.5")]),
    cost_currency=st.sampled_from([None, "EUR"]),
    billing_seconds=st.sampled_from([None, Decimal(0), Decimal(7)]),
    answered=st.sampled_from([None, True]),
    remote_rtp_address=st.sampled_from([None, "192.0.2.1"]),
    remote_rtp_port=st.sampled_from([None, 4000]),
    carrier=st.sampled_from([None, "c1"]),
)


def _load(connection: psycopg.Connection[Any], origin: str, *records: dict[str, Any]) -> LoadedBatch:
    frame = rows(*records)
    kind: Any = KIND[origin]
    with batch_load(connection, BatchHeader("acct", uuid4(), kind, "source", NOW, date(2026, 3, 2))) as load:
        load.stage(frame)
        return load.finish(read=frame.height)


def _legs(connection: psycopg.Connection[Any]) -> pl.DataFrame:
    schema = canonical_schema() | {"linked_record_id": pl.String()}
    found = connection.execute(f"SELECT {', '.join(schema)} FROM cdr_merged").fetchall()
    return pl.DataFrame(found, schema=schema, orient="row").sort("account_id", "origin", "record_id")


def _records(connection: psycopg.Connection[Any]) -> pl.DataFrame:
    found = connection.execute(f"SELECT {', '.join(names())} FROM cdr").fetchall()
    return pl.DataFrame(found, schema=canonical_schema(), orient="row")


def _links(connection: psycopg.Connection[Any]) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT imported_record_id, api_record_id FROM cdr_links").fetchall())


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=st.lists(RECORD, min_size=1, max_size=8))
def test_links_and_view_follow_from_the_records_alone(warehouse_url: str, arrivals: list[dict[str, Any]]) -> None:
    with connect(warehouse_url) as connection:
        connection.execute(TABLES)
        for record in arrivals:
            _load(connection, record["origin"], record)
        records = _records(connection)
        expected = pairs_by_call_id(records)
        assert _links(connection) == set(expected.select("imported_record_id", "api_record_id").rows())
        assert_frame_equal(_legs(connection), merged_legs(records, expected))
        assert _stale_dates(connection) == 0


def _stale_dates(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM cdr_links AS l JOIN cdr_keys AS i ON i.account_id = l.account_id AND"
        " i.origin = 'imported' AND i.record_id = l.imported_record_id JOIN cdr_keys AS a ON"
        " a.account_id = l.account_id AND a.origin = 'api' AND a.record_id = l.api_record_id"
        " WHERE i.business_date <> l.imported_business_date OR a.business_date <> l.api_business_date"
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_any_order_of_arrival_gives_the_same_state(warehouse_url: str, order: tuple[int, ...]) -> None:
    arrivals = [
        _record("api", 1, "c", 0),
        _record("imported", 1, "c", 1, cost=Decimal(2), cost_currency="EUR"),
        _record("api", 2, "c", 2),
        _record("imported", 2, "c", 3),
    ]
    with connect(warehouse_url) as connection:
        for place in order:
            _load(connection, arrivals[place]["origin"], arrivals[place])
        # Both imported records are one hour from both API records or farther: the nearest by id wins its only pair.
        assert _links(connection) == set(
            pairs_by_call_id(_records(connection)).select("imported_record_id", "api_record_id").rows()
        )
        assert connection.execute("SELECT count(*), sum(cost) FROM cdr_merged").fetchone() == (3, Decimal(2))


def test_a_linked_leg_counts_once_with_the_cost_of_the_file(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        _load(connection, "imported", _record("imported", 1, "c", 0, cost=Decimal("0.5"), cost_currency="EUR"))
        _load(connection, "api", _record("api", 1, "c", 0, cost=Decimal(0), cost_currency="USD"))
        found = connection.execute(
            "SELECT origin, record_id, linked_record_id, cost, cost_currency FROM cdr_merged"
        ).fetchall()
    assert found == [("api+imported", "a1", "i1", Decimal("0.5"), "EUR")]


def test_a_new_or_removed_link_changes_both_days(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        late = _record("api", 1, "c", 11)
        _load(connection, "api", late)
        linked = _load(connection, "imported", _record("imported", 1, "c", 13))
        assert linked.touched == {date(2026, 3, 2), date(2026, 3, 3)}
        assert len(_links(connection)) == 1
        ended = _load(connection, "imported", _record("imported", 1, "other", 13))
        assert ended.touched == {date(2026, 3, 2), date(2026, 3, 3)}
        assert _links(connection) == set()
        changes = connection.execute("SELECT business_date, changes FROM days ORDER BY 1").fetchall()
    assert changes == [(date(2026, 3, 2), 3), (date(2026, 3, 3), 2)]


def test_the_same_again_links_nothing_anew_and_touches_no_day(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        _load(connection, "api", _record("api", 1, "c", 0))
        _load(connection, "imported", _record("imported", 1, "c", 0))
        before = connection.execute("SELECT * FROM cdr_links").fetchall()
        assert _load(connection, "imported", _record("imported", 1, "c", 0)).touched == frozenset()
        assert connection.execute("SELECT * FROM cdr_links").fetchall() == before


def test_reconciliation_links_records_and_withdraws_its_links_again(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        _load(connection, "api", _record("api", 1, "x", 0), _record("api", 2, "y", 0))
        _load(connection, "imported", _record("imported", 1, None, 0), _record("imported", 2, None, 13))
        day = date(2026, 3, 2)
        assert set_links(connection, "acct", [Link("i1", "a1"), Link("gone", "a2")], now=NOW) == {day}
        assert set_links(connection, "acct", [Link("i1", "a1")], now=NOW) == frozenset()
        assert reconciled_links(connection, "acct", day, day) == (Link("i1", "a1"),)
        moved = set_links(connection, "acct", [Link("i2", "a1")], now=NOW)
        assert moved == {day, date(2026, 3, 3)}
        assert _links(connection) == {("i2", "a1")}
        assert withdraw_links(connection, "acct", [Link("i2", "a1")], now=NOW) == {day, date(2026, 3, 3)}
        assert _links(connection) == set()


def test_a_link_by_call_id_takes_precedence_over_one_of_reconciliation(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        _load(connection, "imported", _record("imported", 1, "c", 0))
        _load(connection, "api", _record("api", 1, "x", 0))
        set_links(connection, "acct", [Link("i1", "a1")], now=NOW)
        _load(connection, "api", _record("api", 2, "c", 0))
        assert _links(connection) == {("i1", "a2")}
        assert set_links(connection, "acct", [Link("i1", "a1")], now=NOW) == frozenset()
        assert _links(connection) == {("i1", "a2")}


def test_a_reconciled_link_follows_a_record_to_another_day(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        _load(connection, "imported", _record("imported", 1, None, 0))
        _load(connection, "api", _record("api", 1, "x", 0))
        set_links(connection, "acct", [Link("i1", "a1")], now=NOW)
        _load(connection, "imported", _record("imported", 1, None, 24 * 40))
        assert _stale_dates(connection) == 0
        assert connection.execute("SELECT origin FROM cdr_merged").fetchall() == [("api+imported",)]


def test_the_precedence_of_every_field_is_documented() -> None:
    lines = precedence_table().splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == [field.name for field in FIELDS]
    assert {member for members in TOGETHER.values() for member in members} <= set(names())
    assert "| cost_currency | the API's when its cost is there and not 0" in precedence_table()
