"""Changes of an account: a program that passes the last number it has seen learns of everything, once and in order."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter
from cdr_pipeline.steps.reconciliation.decisions import decide_selected
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.engine import connect
from tests.support.carriers import reconciled
from tests.support.console import DAY, red_day
from tests.support.serving import Served, know, serving, store

PATH = "/v2/accounts/self/changes"


def changes(api: Served, **query: Any) -> list[dict[str, Any]]:
    return api.get(PATH, **query).json()["data"]


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [change["kind"] for change in found]


def test_records_seals_reconciliations_and_decisions_are_followed_in_order(ctx: RunContext) -> None:
    know(ctx)
    with serving(ctx) as api:
        assert changes(api) == []
        red_day(ctx, calls=2)
        first = changes(api)
        # Records of the switch and of the carrier, the links between both, and the result.
        assert kinds(first)[:2] == ["records", "records"]
        assert kinds(first)[-1] == "reconciled"
        assert {change["business_date"] for change in first} == {str(DAY)}
        known = first[-1]["change"]
        wanted = BreakFilter(accounts=["self"])
        decide_selected(wanted, ctx, decision="accepted", reason="agreed", decided_by="A. Controller")
        seal_days(SealRequest([DAY], ["self"], Override("A. Controller", "checked")), ctx)
        late = datetime(2026, 3, 2, 20, tzinfo=UTC)
        store(ctx, "self", {"record_id": "late", "call_id": "late", "started_at": late})
        restate_days(RestateRequest("A. Controller", "late record", accounts=["self"]), ctx)
        then = changes(api, after=known)
        assert kinds(then) == ["decided", "sealed", "records", "restated"]
        assert then[0]["details"] == {"carrier": "bell", "breaks": 2}
        assert [then[place]["details"]["version"] for place in (1, 3)] == [1, 2]
        everything = changes(api)
        assert [change["change"] for change in everything] == list(range(1, len(everything) + 1))
        assert everything == first + then
        assert changes(api, after=then[-1]["change"]) == []
        assert [change["change"] for change in changes(api, after=0, page_size=2)] == [1, 2]
        assert api.get(PATH, after=0, page_size=2).json()["newest"] == len(everything)


def test_what_changes_nothing_is_no_change(ctx: RunContext) -> None:
    know(ctx)
    red_day(ctx, calls=2)
    with serving(ctx) as api:
        before = changes(api)
        store(ctx, "self", {})
        after_new_record = changes(api)
        store(ctx, "self", {})
        reconciled(ctx, DAY, "self")
        assert len(after_new_record) > len(before)
        assert [change for change in changes(api) if change not in after_new_record] == []


def test_a_number_that_is_not_kept_or_unknown_is_410(ctx: RunContext) -> None:
    know(ctx)
    with ctx.ledger() as ledger:
        for days_ago in (100, 95, 1):
            ledger.changes.add("self", "records", [DAY], now=ctx.clock() - timedelta(days=days_ago))
        assert ledger.changes.forget(before=ctx.clock() - timedelta(days=90)) == 2
        assert ledger.changes.forget(before=ctx.clock()) == 0
    with serving(ctx) as api:
        gone = api.get(PATH, after=1)
        assert (gone.status_code, gone.json()["message"]) == (410, "changes_gone")
        assert "the changes 3 to 3 are kept" in gone.text
        assert api.get(PATH, after=4).status_code == 410
        assert [change["change"] for change in changes(api)] == [3]
        assert [change["change"] for change in changes(api, after=2)] == [3]
        assert changes(api, after=3) == []


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "", "9" * 30])
def test_a_position_that_is_no_number_is_refused(ctx: RunContext, after: str) -> None:
    know(ctx)
    with serving(ctx) as api:
        assert api.get(PATH, after=after).status_code == 400


def test_a_reader_misses_nothing_while_many_write(ctx: RunContext) -> None:
    know(ctx)

    def write(writer: int) -> None:
        with connect(ctx.url) as connection:
            ledger = Ledger(connection)
            for turn in range(20):
                with ledger.transaction():
                    details = {"writer": writer, "turn": turn}
                    ledger.changes.add("self", "records", [DAY], now=ctx.clock(), details=details)

    seen: list[int] = []
    with ThreadPoolExecutor(4) as threads, ctx.ledger() as ledger:
        writing = [threads.submit(write, writer) for writer in range(4)]
        while len(seen) < 80:
            done = all(future.done() for future in writing)
            seen += [change.change_no for change in ledger.changes.after("self", seen[-1] if seen else 0, most=7)]
            assert not done or len(seen) == 80 or ledger.changes.after("self", seen[-1], most=1)
    for future in writing:
        future.result()
    assert seen == list(range(1, 81))
