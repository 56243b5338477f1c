"""The merge in SQL and the merge in Polars agree on any sequence of batches."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid4

import polars as pl
import psycopg
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.core.fields.schemas import LINE
from cdr_pipeline.core.records.identity import with_digests
from cdr_pipeline.core.records.merge import contradicted_lines, merge
from cdr_pipeline.warehouse.records.batch import BatchHeader, LoadedBatch
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.server.engine import connect
from tests.support.examples import examples
from tests.support.records import STARTED, rows

NOW = datetime(2026, 3, 3, tzinfo=UTC)
# Few ids and values, so that batches meet.
ROW = st.fixed_dictionaries(
    {
        "record_id": st.sampled_from(["a", "b", "c"]),
        "caller_id_name": st.sampled_from([None, "x", 'quoted "name", and comma']),
        "billing_seconds": st.sampled_from([None, Decimal(0), Decimal("7.5")]),
        "ended_at": st.sampled_from([None, STARTED, STARTED + timedelta(seconds=9)]),
        "user_agent": st.sampled_from([None, "phone/1"]),
        "business_date": st.sampled_from([date(2026, 3, 2), date(2026, 3, 3)]),
    }
)
BATCH = st.lists(st.tuples(ROW, st.booleans()), max_size=6)


def _staged(batch: list[tuple[dict[str, Any], bool]], origin: str) -> pl.DataFrame:
    frame = rows(*({**row, "origin": origin} for row, _ in batch)) if batch else rows({}).clear()
    has_detail = pl.Series([detailed for _, detailed in batch], dtype=pl.Boolean)
    return frame.with_columns(
        has_detail.alias("has_detail"),
        pl.when(has_detail).then(pl.col("user_agent")).alias("user_agent"),
        pl.lit(None, pl.String).alias("detail_source"),
    )


def _load(connection: psycopg.Connection[Any], frame: pl.DataFrame, kind: Any) -> LoadedBatch:
    header = BatchHeader("acct", uuid4(), kind, "source", NOW, date(2026, 3, 2))
    with batch_load(connection, header) as load:
        load.stage(frame)
        contradicted = load.settle()[LINE].to_list()
        staged = with_digests(frame)
        assert contradicted == (contradicted_lines(staged) if kind == "upload" else [])
        return load.finish(read=frame.height - len(contradicted))


def _state(connection: psycopg.Connection[Any], table: str) -> list[tuple[Any, ...]]:
    columns = ", ".join((*names(), "has_detail", "list_digest", "row_digest"))
    return sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(BATCH, min_size=1, max_size=4), kind=st.sampled_from(["window", "upload"]))
def test_sql_and_reference_agree(warehouse_url: str, batches: list[Any], kind: Any) -> None:
    with connect(warehouse_url) as connection:
        connection.execute("TRUNCATE cdr, cdr_keys, cdr_links, cdr_history, batches, days")
        origin = "api" if kind == "window" else "imported"
        present = with_digests(_staged([], origin)).select(*names(), "has_detail", "list_digest", "row_digest")
        replaced: list[tuple[Any, ...]] = []
        for batch in batches:
            staged = with_digests(_staged(batch, origin))
            if kind == "upload":
                staged = staged.filter(~pl.col(LINE).is_in(contradicted_lines(staged)))
            expected = merge(present, staged.select(*present.columns, "line"))
            counts = _load(connection, _staged(batch, origin), kind).counts
            assert (counts.inserted, counts.updated, counts.unchanged, counts.duplicate) == (
                expected.inserted, expected.updated, expected.unchanged, expected.duplicate,
            )  # fmt: skip
            present = expected.records
            replaced += expected.replaced.rows()
        assert _state(connection, "cdr") == sorted(present.rows(), key=repr)
        assert _state(connection, "cdr_history") == sorted(replaced, key=repr)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(batch=[({"record_id": "a"}, True), ({"record_id": "a"}, False)], order=Random(1))
@given(batch=BATCH, order=st.randoms())
def test_the_order_of_pages_does_not_matter(warehouse_url: str, batch: list[Any], order: Any) -> None:
    with connect(warehouse_url) as connection:
        states: list[Any] = []
        for _ in range(2):
            connection.execute("TRUNCATE cdr, cdr_keys, cdr_links, cdr_history, batches, days")
            _load(connection, _staged(batch, "api"), "window")
            states.append(_state(connection, "cdr"))
            order.shuffle(batch)
        assert states[0] == states[1]


def test_loading_the_same_again_changes_nothing(warehouse_url: str) -> None:
    batch = [({"record_id": "a"}, False), ({"record_id": "b"}, True)]
    with connect(warehouse_url) as connection:
        first = _load(connection, _staged(batch, "api"), "window")
        before = connection.execute("SELECT * FROM cdr ORDER BY record_id").fetchall()
        again = _load(connection, _staged(batch, "api"), "window")
        assert connection.execute("SELECT * FROM cdr ORDER BY record_id").fetchall() == before
    assert (first.counts.inserted, again.counts.unchanged) == (2, 2)
    assert again.touched == frozenset()


def test_a_load_without_documents_keeps_what_documents_brought(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        _load(connection, _staged([({"record_id": "a", "user_agent": "phone/1"}, True)], "api"), "window")
        _load(connection, _staged([({"record_id": "a", "caller_id_name": "new"}, False)], "api"), "window")
        found = connection.execute("SELECT user_agent, caller_id_name, has_detail FROM cdr").fetchone()
    assert found == ("phone/1", "new", True)


def test_both_days_of_a_moved_record_are_touched(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        _load(connection, _staged([({"record_id": "a", "business_date": date(2026, 3, 2)}, False)], "api"), "window")
        moved = _load(
            connection, _staged([({"record_id": "a", "business_date": date(2026, 3, 3)}, False)], "api"), "window"
        )
    assert moved.touched == {date(2026, 3, 2), date(2026, 3, 3)}
