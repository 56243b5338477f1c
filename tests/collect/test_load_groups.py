"""Windows of several accounts that are merged in one transaction end as those that are merged one by one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.steps.collect import load_day as loading
from cdr_pipeline.steps.collect.load_day import LoadedDay, LoadRequest, load_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.group_loading import AccountGroup
from tests.support.landed import land_rows, list_row
from tests.support.nights import DAY
from tests.support.records import rows as record_rows

BUSY = '"hangup_cause":"USER_BUSY"'
# A day later; the record moves.
LATER = '"timestamp":"63939749401"'
FIRST = {
    "changed": [list_row(1), list_row(2), list_row(3)],
    "doubled": [list_row(1), list_row(2), list_row(2)],
    "empty": [],
    "erased": [list_row(1), list_row(2)],
    "linked": [list_row(1), list_row(2), list_row(3)],
    "rejected": [list_row(1), list_row(2).replace('"30"', '"-30"')],
    "removed": [list_row(1)],
    "same": [list_row(1), list_row(2)],
    "unknown_keys": [list_row(1, '"colour":"red","nothing":null,"deep":{"a":[1.10,null],"b":null}')],
}
AGAIN = FIRST | {
    "changed": [list_row(1, BUSY), list_row(2), list_row(4)],
    "doubled": [list_row(1, BUSY), list_row(1), list_row(2), list_row(3), list_row(3)],
    "empty": [list_row(1)],
    "erased": [list_row(1, BUSY), list_row(2)],
    "linked": [list_row(1), list_row(2, BUSY), list_row(3).replace('"timestamp":"63939663003"', LATER)],
    "unknown_keys": [list_row(1, '"colour":"blue"')],
}
TABLES = {
    "cdr": "* EXCEPT batch_id, changed_at",
    "cdr_keys": "*",
    "cdr_history": "* EXCEPT batch_id, changed_at, replaced_by, replaced_at",
    "cdr_links": "* EXCEPT batch_id, linked_at",
    "days": "business_date, state, changes, complete_through, volume",
    "account_changes": "change_no, kind, business_date, details",
    "batches": "* EXCEPT batch_id, source, loaded_at",
    "windows": "business_date, state, rows_landed, content_sha256, loaded_sha256, loaded_rules",
    "rejects": "line, field, reason, raw",
}


def _night(ctx: RunContext, days: dict[str, list[str]], hours: int, prefix: str = "") -> LoadedDay:
    """Lands the day of every account, and loads it."""
    instant = ctx.clock() + timedelta(hours=hours)
    later = replace(ctx, clock=lambda: instant)
    for account_id, rows in days.items():
        land_rows(later, rows, account_id=prefix + account_id)
    return load_day(LoadRequest(DAY, [prefix + account_id for account_id in days]), later)


def _carrier_record(ctx: RunContext, account_id: str, number: int) -> None:
    """A carrier's record of a call of the account."""
    header = BatchHeader(account_id, uuid4(), "upload", "file", ctx.clock(), None)
    record = {
        "account_id": account_id, "origin": "imported", "record_id": f"carrier:id:{number}", "call_id": f"c{number}",
        "business_date": date(2026, 3, 2),
    }  # fmt: skip
    with ctx.ledger() as ledger, ledger.records.load_batch(header) as load:
        load.stage(record_rows(record))
        load.finish(read=1)


def _erase(ctx: RunContext, account_id: str) -> None:
    with ctx.ledger() as ledger:
        ledger.connection.execute(
            "INSERT INTO erased_records (account_id, erasure_id, origin, record_id, business_date)"
            " VALUES (%s, %s, 'api', 'r1', %s) ON CONFLICT DO NOTHING",
            [account_id, uuid4(), DAY],
        )


def _remove_month(ctx: RunContext, account_id: str) -> None:
    with ctx.ledger() as ledger:
        ledger.connection.execute(
            "INSERT INTO removed_months (account_id, month, removed_at, records) VALUES (%s, '2026-01-01', now(), 0)",
            [account_id],
        )


def _content(ctx: RunContext, prefix: str) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the accounts with a prefix in every table that a load writes, without it, random ids and times."""
    content: dict[str, list[tuple[Any, ...]]] = {}
    with ctx.ledger() as ledger:
        for table, wanted in TABLES.items():
            columns = wanted
            if wanted.startswith("*"):
                without = {"account_id", *wanted.partition("EXCEPT ")[2].split(", ")}
                found = ledger.connection.execute(f"SELECT * FROM {table} LIMIT 0".encode()).description or ()
                columns = ", ".join(column.name for column in found if column.name not in without)
            rows = ledger.connection.execute(
                f"SELECT substr(account_id, length(%(prefix)s) + 1), {columns} FROM {table}"
                " WHERE starts_with(account_id, %(prefix)s)".encode(),
                {"prefix": prefix},
            ).fetchall()
            content[table] = sorted(rows, key=repr)
    return content


def _nights(ctx: RunContext, prefix: str) -> tuple[list[BatchCounts], dict[str, list[tuple[Any, ...]]]]:
    """Three nights, the second with changes and the third without; counts of each, and the content afterwards."""
    counts: list[BatchCounts] = []
    with ctx.ledger() as ledger:
        for account_id in FIRST:
            ledger.accounts.add(Account(prefix + account_id, time_zone="UTC"), now=ctx.clock())
    for number in (1, 2, 3):
        _carrier_record(ctx, f"{prefix}linked", number)
    _remove_month(ctx, f"{prefix}removed")
    for hours, days in enumerate((FIRST, AGAIN, AGAIN)):
        if hours:
            _erase(ctx, f"{prefix}erased")
        loaded = _night(ctx, days, hours, prefix)
        assert loaded.failures == ()
        assert loaded.incomplete == ()
        counts.append(loaded.counts)
    return counts, _content(ctx, prefix)


@pytest.fixture
def merged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Accounts whose windows are merged in groups from now on."""
    merged: list[str] = []
    merge = AccountGroup.merge

    def noting(group: AccountGroup, batches: Sequence[Any]) -> Any:
        loaded = merge(group, batches)
        merged.extend(loaded)
        return loaded

    monkeypatch.setattr(AccountGroup, "merge", noting)
    return merged


def test_three_nights_end_the_same_in_groups_and_alone(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch, merged: list[str]
) -> None:
    together = _nights(ctx, "g_")
    assert {account_id.removeprefix("g_") for account_id in merged} == set(FIRST) - {"rejected", "removed"}
    monkeypatch.setattr(loading, "load_read_together", lambda *_: None)
    monkeypatch.setattr(loading, "load_unchanged_together", lambda *_: None)
    alone = _nights(ctx, "a_")
    assert together[0] == alone[0]
    for table in TABLES:
        assert together[1][table] == alone[1][table], table
    assert together[1]["cdr_links"]
    assert together[1]["cdr_history"]


def test_a_failed_group_is_loaded_one_by_one(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The group fails after its records are written, for the fault of one account, which fails alone."""
    count = BatchCounts.require_balance

    def unbalanced(counts: BatchCounts, batch: str) -> None:
        count(replace(counts, read=9) if batch.endswith(" doubled") else counts, batch)

    monkeypatch.setattr(BatchCounts, "require_balance", unbalanced)
    loaded = _night(ctx, FIRST, 0)
    assert [failure.account_id for failure in loaded.failures] == ["doubled"]
    assert loaded.incomplete == ("doubled",)
    assert loaded.counts.inserted == 13
    assert "one by one: UnbalancedBatch" in caplog.text
    with ctx.ledger() as ledger:
        rows = ledger.connection.execute("SELECT DISTINCT account_id FROM cdr ORDER BY 1").fetchall()
    assert [account_id for (account_id,) in rows] == sorted(set(FIRST) - {"doubled", "empty"})


def test_a_group_waits_for_a_load_of_one_of_its_accounts(ctx: RunContext) -> None:
    """A load of the same records at the same time: each record is stored once."""
    for account_id, rows in FIRST.items():
        land_rows(ctx, rows, account_id=account_id)
    with ThreadPoolExecutor(3) as threads:
        loads = list(threads.map(lambda _: load_day(LoadRequest(DAY), ctx), range(3)))
    assert [load.failures for load in loads] == [(), (), ()]
    assert sum(load.counts.inserted for load in loads) == 15
    with ctx.ledger() as ledger:
        stored = ledger.connection.execute("SELECT count(*), count(DISTINCT (account_id, record_id)) FROM cdr")
        assert stored.fetchone() == (15, 15)
