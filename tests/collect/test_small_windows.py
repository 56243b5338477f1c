"""Small windows of several accounts are read in one frame, with the same result as one by one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cdr_pipeline.core.records.identity import with_digests
from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.pages import parse_page
from cdr_pipeline.sources.landing import LandingFile, LandingWriter, window_path
from cdr_pipeline.sources.upstream import RecordOwner, Window
from cdr_pipeline.sources.upstream_registry import upstream_of
from cdr_pipeline.steps.collect import load_day as loading
from cdr_pipeline.steps.collect import small_windows
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day, normalized_chunks
from cdr_pipeline.steps.collect.small_windows import read_small_windows
from cdr_pipeline.steps.collect.window_rules import switch_plan
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, LandedWindow
from tests.support.landed import list_row
from tests.support.nights import DAY

ROWS = {
    "plain": [list_row(1), list_row(2)],
    "empty": [],
    "unknown_keys": [list_row(1, '"colour":"red"'), list_row(2)],
    "rejected": [list_row(1), list_row(2).replace('"30"', '"-30"'), list_row(3).replace('"30"', '"x"'), list_row(4)],
    "foreign": [list_row(1, '"account_id":"plain"'), list_row(2, '"account_id":"foreign"')],
    "after_them": [list_row(5)],
}


def _land(ctx: RunContext, account: Account, rows: Sequence[str], details: Sequence[str] = ()) -> Path:
    """Lands a day of an account as one window, and registers both."""
    first, end = day_bounds(DAY, "UTC")
    window = Window(first, end + timedelta(hours=1))
    path = window_path(ctx.settings.landing_dir, account.account_id, window, ctx.clock())
    body = f'{{"data":[{",".join(rows)}],"page_size":{len(rows)},"status":"success"}}'.encode()
    dialect = SwitchDialect.V2_K43
    with LandingWriter(path, account_id=account.account_id, window=window, upstream="kazoo", dialect=dialect) as writer:
        writer.add_page(body, parse_page(body))
        for detail in details:
            writer.add_detail(f'{{"data":{detail},"status":"success"}}'.encode())
    with ctx.ledger() as ledger:
        ledger.accounts.add(account, now=ctx.clock())
        claim = ledger.windows.claim(account.account_id, DAY, lease_seconds=60)
        assert claim is not None
        name = str(path.relative_to(ctx.settings.landing_dir))
        landed = LandedWindow(window.starts_at, window.ends_at, dialect.value, name, ctx.clock())
        ledger.windows.record_landed(claim=claim, window=landed, rows=len(rows), content_sha256=writer.rows_sha256)
        ledger.windows.release(claim)
    return path


def _owner(ctx: RunContext, account: Account) -> RecordOwner:
    return RecordOwner(account.account_id, account.time_zone, switch_plan(ctx.settings, account))


def _stored(ctx: RunContext) -> list[tuple[Any, ...]]:
    """Account, id, date and line of every record of the warehouse."""
    with ctx.ledger() as ledger:
        return ledger.connection.execute(
            "SELECT account_id, record_id, business_date, source_line FROM cdr ORDER BY account_id, record_id"
        ).fetchall()


def test_rows_read_together_are_those_read_one_by_one(ctx: RunContext) -> None:
    accounts = {name: Account(name, time_zone="UTC") for name in ROWS}
    paths = {name: _land(ctx, accounts[name], rows) for name, rows in ROWS.items()}
    latest = ctx.clock() + timedelta(days=1)

    owners = [(paths[name], _owner(ctx, accounts[name])) for name in ROWS]
    together = read_small_windows(owners, ctx.settings, latest=latest)

    assert set(together) == set(paths.values())
    for name, account in accounts.items():
        (alone,) = normalized_chunks(
            LandingFile.open(paths[name]),
            upstream_of(ctx.settings),
            account,
            switch_plan(ctx.settings, account),
            latest=latest,
        )
        read = together[paths[name]].checked
        assert read.rows.equals(with_digests(alone.rows)), name
        assert read.rejects.equals(alone.rejects), name
    assert together[paths["foreign"]].checked.rejects["reason"].to_list() == ["other_account"]
    assert together[paths["unknown_keys"]].checked.rows["extra_source"].null_count() == 0
    assert together[paths["plain"]].checked.rows["extra_source"].null_count() == 2


@pytest.mark.parametrize("alone", [True, False], ids=["one by one", "together"])
def test_a_night_of_small_accounts_loads_every_row_once(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    for name, rows in ROWS.items():
        _land(ctx, Account(name, time_zone="UTC"), rows)
    if alone:
        monkeypatch.setattr(loading, "read_small_windows", lambda *_, **__: {})
    else:
        monkeypatch.setattr(loading, "normalized_chunks", lambda *_, **__: pytest.fail("a window was read alone"))

    loaded = load_day(LoadRequest(DAY), ctx)

    assert loaded.failures == ()
    assert loaded.incomplete == ()
    assert (loaded.counts.read, loaded.counts.inserted, loaded.counts.rejected) == (11, 8, 3)
    assert [(account_id, record_id, line) for account_id, record_id, _, line in _stored(ctx)] == [
        ("after_them", "r5", 1), ("foreign", "r2", 2), ("plain", "r1", 1), ("plain", "r2", 2), ("rejected", "r1", 1),
        ("rejected", "r4", 4), ("unknown_keys", "r1", 1), ("unknown_keys", "r2", 2),
    ]  # fmt: skip


def test_a_damaged_window_fails_its_account_and_no_other(ctx: RunContext) -> None:
    paths = {name: _land(ctx, Account(name, time_zone="UTC"), rows) for name, rows in ROWS.items()}
    paths["plain"].chmod(0o640)
    paths["plain"].write_bytes(b"")

    loaded = load_day(LoadRequest(DAY), ctx)

    assert [failure.account_id for failure in loaded.failures] == ["plain"]
    assert loaded.failures[0].code == "landing_damaged"
    assert loaded.incomplete == ("plain",)
    assert loaded.counts.read == 9


def test_another_time_zone_or_country_is_read_apart(ctx: RunContext) -> None:
    accounts = [
        Account("utc1", time_zone="UTC"),
        Account("utc2", time_zone="UTC"),
        Account("berlin", time_zone="Europe/Berlin"),
        Account("german", time_zone="UTC", country_code="49"),
    ]
    windows = [(_land(ctx, account, ROWS["plain"]), _owner(ctx, account)) for account in accounts]

    read = read_small_windows(windows, ctx.settings, latest=ctx.clock())

    assert {window.owner.account_id for window in read.values()} == {"utc1", "utc2"}


def test_windows_that_would_fill_the_memory_are_read_alone(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_windows, "_MOST_WAITING", 5)
    accounts = [Account(name, time_zone="UTC") for name in ("a", "b", "c")]
    windows = [(_land(ctx, account, ROWS["plain"]), _owner(ctx, account)) for account in accounts]

    read = read_small_windows(windows, ctx.settings, latest=ctx.clock())

    assert {window.owner.account_id for window in read.values()} == {"a", "b"}


def test_windows_with_detail_documents_are_read_alone(ctx: RunContext) -> None:
    accounts = [Account(name, time_zone="UTC") for name in ("one", "two", "three")]
    detail = '{"id":"r1","hangup_cause":"USER_BUSY"}'
    windows = [
        (_land(ctx, account, ROWS["plain"], [detail] if account.account_id == "one" else []), _owner(ctx, account))
        for account in accounts
    ]

    read = read_small_windows(windows, ctx.settings, latest=ctx.clock())

    assert {window.owner.account_id for window in read.values()} == {"two", "three"}


def test_an_account_that_has_moved_meanwhile_is_read_again(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("plain", "after_them"):
        _land(ctx, Account(name, time_zone="UTC"), ROWS[name])
    one_thread = replace(ctx, settings=ctx.settings.model_copy(update={"collect_concurrency": 1}))
    read_windows = loading.read_small_windows

    def read_then_move(*args: Any, **options: Any) -> Any:
        read = read_windows(*args, **options)
        assert len(read) == 2
        with ctx.ledger() as ledger:
            account = ledger.accounts.find_account("plain")
            assert account is not None
            moved = replace(account, time_zone="Pacific/Honolulu")
            ledger.accounts.move(moved, until=DAY - timedelta(days=3), before="UTC", now=ctx.clock())
        return read

    monkeypatch.setattr(loading, "read_small_windows", read_then_move)
    load_day(LoadRequest(DAY), one_thread)

    # 09:30 UTC is 23:30 of the day before in Honolulu.
    assert {row[2] for row in _stored(ctx) if row[0] == "plain"} == {DAY - timedelta(days=1)}


def test_a_thread_reads_few_rows_before_it_merges_them(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_MOST_IN_MEMORY", 5)
    together: list[int] = []

    def reading(windows: Sequence[Any], *args: Any, **more: Any) -> Any:
        together.append(sum(LandingFile.open(path).rows for path, _ in windows))
        return read_small_windows(windows, *args, **more)

    monkeypatch.setattr(loading, "read_small_windows", reading)
    monkeypatch.setattr(loading, "_MOST_AT_ONCE", 1)
    for number in range(7):
        _land(ctx, Account(f"acct{number}", time_zone="UTC"), ROWS["plain"])

    loaded = load_day(LoadRequest(DAY), ctx)

    assert loaded.failures == ()
    assert loaded.counts.inserted == 14
    assert together == [4, 4, 4]
