"""A window that lands again with the rows of its last load is not read again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import pytest

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.steps.collect import load_day as loading
from cdr_pipeline.steps.collect import window_rules
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.run_context import RunContext
from tests.support.landed import list_row, loaded_rows
from tests.support.nights import DAY

ROWS = [list_row(1), list_row(2)]


class _Read(Exception):
    """The rows of a window were read."""


def _reading(*_: object, **__: object) -> NoReturn:
    raise _Read


def _landed_again(ctx: RunContext, rows: Sequence[str], hours: int, details: Sequence[str] = ()) -> BatchCounts:
    instant = ctx.clock() + timedelta(hours=hours)
    loaded = loaded_rows(replace(ctx, clock=lambda: instant), rows, details)
    assert loaded.failures == ()
    return loaded.counts


def _is_read(ctx: RunContext, monkeypatch: pytest.MonkeyPatch, rows: Sequence[str], hours: int) -> bool:
    """Whether a window that lands with these rows is read."""
    with monkeypatch.context() as patch:
        patch.setattr(loading, "normalized_chunks", _reading)
        instant = ctx.clock() + timedelta(hours=hours)
        (account,) = loaded_rows(replace(ctx, clock=lambda: instant), rows).accounts
        return account.failure is not None


def test_the_same_rows_are_recorded_as_unchanged_without_being_read(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _landed_again(ctx, [*ROWS, ROWS[1]], 0) == BatchCounts(read=3, inserted=2, duplicate=1)

    monkeypatch.setattr(loading, "normalized_chunks", _reading)
    for hours in (1, 2):
        again = _landed_again(ctx, [*ROWS, ROWS[1]], hours)
        assert again == BatchCounts(read=3, unchanged=2, duplicate=1)

    with ctx.ledger() as ledger:
        assert ledger.windows.to_load(["acct"], DAY) == {}
        kept = ledger.connection.execute("SELECT count(*), sum(rows_read) FROM batches").fetchone()
    assert kept == (3, 9)


def test_a_changed_row_is_read_and_becomes_what_is_compared_next(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = [ROWS[0], list_row(2, '"hangup_cause":"USER_BUSY"')]
    _landed_again(ctx, ROWS, 0)

    assert _landed_again(ctx, changed, 1) == BatchCounts(read=2, updated=1, unchanged=1)
    assert not _is_read(ctx, monkeypatch, changed, 2)
    assert _is_read(ctx, monkeypatch, ROWS, 3)


def test_another_version_or_another_rule_reads_everything(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    _landed_again(ctx, ROWS, 0)
    other_plan = replace(ctx, settings=ctx.settings.model_copy(update={"api_tech_prefix": "99"}))

    assert _is_read(other_plan, monkeypatch, ROWS, 1)
    monkeypatch.setattr(window_rules, "__version__", "999")
    assert _is_read(ctx, monkeypatch, ROWS, 2)


def test_rejected_rows_and_detail_documents_are_read_again(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [*ROWS, list_row(3).replace('"30"', '"-30"')]
    assert _landed_again(ctx, bad, 0).rejected == 1
    assert _is_read(ctx, monkeypatch, bad, 1)

    _landed_again(ctx, ROWS, 2)
    detail = '{"id":"r1","hangup_cause":"USER_BUSY"}'
    assert _landed_again(ctx, ROWS, 3, [detail]).read == 2
    with ctx.ledger() as ledger:
        assert ledger.windows.known_details("acct", ["r1", "r2"]) == {"r1"}


def test_a_record_that_another_window_changed_is_read_again(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    _landed_again(ctx, ROWS, 0)
    with ctx.ledger() as ledger:
        ledger.connection.execute(
            "INSERT INTO batches (account_id, batch_id, kind, source, rows_read, rows_inserted, rows_updated,"
            " rows_unchanged, rows_duplicate, rows_rejected, rows_filtered, loaded_at)"
            " VALUES ('acct', gen_random_uuid(), 'window', 'other', 1, 0, 1, 0, 0, 0, 0, %s)",
            [ctx.clock() + timedelta(minutes=1)],
        )

    assert _is_read(ctx, monkeypatch, ROWS, 1)


def test_a_replay_reads_everything(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    _landed_again(ctx, ROWS, 0)
    monkeypatch.setattr(loading, "normalized_chunks", _reading)

    (account,) = load_day(LoadRequest(DAY, ["acct"], replay=True), ctx).accounts

    assert account.failure is not None
