"""What a night looks for is found by indexes of unfinished work, however many nights the ledger has."""

from datetime import date
from typing import Any

import pytest

from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.statements import statement

# Days of a year of 20 accounts, all done, with their files and deliveries.
_DONE = (
    """
    INSERT INTO days (account_id, business_date, state, changes, exported_changes, version, sealed_at, published_at)
    SELECT 'b' || account, date '2025-01-01' + day, 'sealed', 1, 1, 1, now(), now()
    FROM generate_series(1, 20) AS account CROSS JOIN generate_series(0, 364) AS day
    """,
    """
    INSERT INTO export_files (
        account_id, business_date, version, dialect, path, sha256, bytes, row_count, written_at, manifest
    )
    SELECT account_id, business_date, 1, 'exact', account_id || '/' || business_date, 'made', 1, 1, now(),
        repeat('some text of a manifest', 60)
    FROM days
    """,
    """
    INSERT INTO deliveries (account_id, target, path, business_date, version, sha256, bytes, state, attempts, due_at)
    SELECT account_id, 'finance', path, business_date, 1, sha256, bytes, 'delivered', 1, now() FROM export_files
    """,
    "VACUUM ANALYZE days, export_files, deliveries",
)
_ACCOUNTS = [f"b{number}" for number in range(1, 21)]
_ALL = {"account_ids": _ACCOUNTS, "first_date": date(1990, 1, 1), "last_date": date(2149, 12, 31)}


@pytest.fixture
def ledger_of_a_year(ctx: RunContext) -> RunContext:
    """A ledger in which nothing is left to do."""
    with ctx.ledger() as ledger:
        for made in _DONE:
            ledger.connection.execute(made.encode())
    return ctx


def plan(ctx: RunContext, name: str, bound: dict[str, Any]) -> str:
    """The plan that is kept for all values of a statement."""
    with ctx.ledger() as ledger:
        ledger.connection.execute("SET plan_cache_mode = force_generic_plan")
        rows = ledger.connection.execute(b"EXPLAIN " + statement(name), bound, prepare=True).fetchall()
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("what", ["open", "late", "unpublished"])
def test_unfinished_days_are_found_by_their_index(ledger_of_a_year: RunContext, what: str) -> None:
    assert "days_unfinished" in plan(ledger_of_a_year, "days/days_in_state", {**_ALL, "what": what})


def test_days_to_export_are_found_by_their_index(ledger_of_a_year: RunContext) -> None:
    assert "days_unfinished" in plan(ledger_of_a_year, "days/days_to_export", {"account_ids": _ACCOUNTS})


def test_due_deliveries_are_queued_once_and_found_by_their_index(ledger_of_a_year: RunContext) -> None:
    ctx = ledger_of_a_year
    with ctx.ledger() as ledger:
        deliveries = ledger.deliveries
        deliveries.queue(_ACCOUNTS, "finance", ["exact"], now=ctx.clock())
        assert deliveries.list_all(_ACCOUNTS, ["pending", "refused"]) == []
        ledger.connection.execute("DELETE FROM deliveries WHERE account_id = 'b7' AND business_date = '2025-03-02'")
        deliveries.queue(_ACCOUNTS, "finance", ["exact"], now=ctx.clock())
        deliveries.queue(_ACCOUNTS, "finance", ["exact"], now=ctx.clock())
        (due,) = deliveries.list_all(_ACCOUNTS, ["pending"])
        assert (due.account_id, due.business_date, due.state) == ("b7", date(2025, 3, 2), "pending")
        assert len(deliveries.list_all(_ACCOUNTS, ["pending", "delivered"])) == 20 * 365
        rows = ledger.connection.execute(
            "EXPLAIN SELECT 1 FROM deliveries WHERE state <> 'delivered' AND account_id = any(%s)", [_ACCOUNTS]
        ).fetchall()
    assert "deliveries_unfinished" in "\n".join(row[0] for row in rows)
