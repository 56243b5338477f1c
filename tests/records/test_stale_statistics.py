"""Loads of days that are newer than the planner's statistics read each staged row a few times, not once a record."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import polars as pl
import psycopg
import pytest

from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.records.partitions import whole_months
from cdr_pipeline.warehouse.server.cluster import is_cluster
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.statements import statement
from tests.support.records import STARTED, rows

RECORDS = 2_500
FEW = range(0, RECORDS, 100)
# From the day that the statistics know.
LATER_DAYS = 10
# Times that the statements of one load may read each staged row.
MOST_READS = 20
_READS = "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relid = to_regclass('pg_temp.cdr_stage')"
_KINDS: dict[str, Literal["window", "upload"]] = {"api": "window", "imported": "upload"}


@pytest.fixture
def connection(warehouse_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A warehouse with statistics of records of both origins on one day."""
    with connect(warehouse_url) as opened:
        if is_cluster(opened):
            pytest.skip("a cluster has one stage with a key for all sessions")
        for origin in _KINDS:
            _load(opened, _frame(origin))
        opened.execute("ANALYZE")
        yield opened


def _frame(origin: str, days_later: int = 0, changed: range = range(0)) -> pl.DataFrame:
    day = STARTED + timedelta(days=days_later)
    ids = [f"{days_later}-{number}" for number in range(RECORDS)]
    return rows(
        *(
            {
                "origin": origin,
                "record_id": f"{origin}:id:{ids[number]}",
                "call_id": ids[number],
                "started_at": day + timedelta(seconds=number),
                "business_date": day.date(),
                "caller_id_name": "changed" if number in changed else "first",
            }
            for number in range(RECORDS)
        )
    )


def _load(opened: psycopg.Connection[Any], frame: pl.DataFrame) -> dict[str, Any]:
    """Loads a frame; returns how often its statements read the stage's rows, and the plan of the links by call id."""
    header = BatchHeader("acct", uuid4(), _KINDS[frame["origin"][0]], "source", datetime(2026, 4, 1, tzinfo=UTC))
    with batch_load(opened, header) as load:
        load.stage(frame)
        before = opened.execute(_READS).fetchone() or (0,)
        counts = load.finish(read=frame.height).counts
        after = opened.execute(_READS).fetchone() or (0,)
        days = frame["business_date"].unique().to_list()
        parameters = {"account_id": "acct", "batch_id": header.batch_id, "near_dates": days} | whole_months(days)
        explain = b"EXPLAIN (FORMAT JSON) " + statement("records/stage_links")
        (plan,) = opened.execute(explain, parameters).fetchone() or ([],)
    return {"counts": counts, "reads": after[0] - before[0], "plan": plan[0]["Plan"]}


def test_changes_on_a_new_day_do_not_read_the_stage_per_record(connection: psycopg.Connection[Any]) -> None:
    _load(connection, _frame("api", LATER_DAYS))
    changed = _load(connection, _frame("api", LATER_DAYS, changed=FEW))
    assert changed["counts"].updated == len(FEW)
    assert changed["reads"] < MOST_READS * RECORDS


def test_links_of_a_new_day_do_not_compare_all_records(connection: psycopg.Connection[Any]) -> None:
    _load(connection, _frame("api", LATER_DAYS))
    linked = _load(connection, _frame("imported", LATER_DAYS))
    assert connection.execute("SELECT count(*) FROM cdr_links").fetchone() == (2 * RECORDS,)
    assert _repeated(linked["plan"]) == set()


def _repeated(plan: dict[str, Any]) -> set[str]:
    """Names of common table expressions that a plan reads once for each row of another relation."""
    names = set[str]()
    parts: list[dict[str, Any]] = plan.get("Plans", [])
    if plan["Node Type"] == "Nested Loop":
        names |= {
            part["CTE Name"] for part in (parts[1], *parts[1].get("Plans", [])) if part["Node Type"] == "CTE Scan"
        }
    return names.union(*(_repeated(part) for part in parts))
