"""Days of several accounts that are exported and sealed together end as those that are handled one by one."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from cdr_pipeline.core.records.volume import Volume
from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.days import export_days as export_step
from cdr_pipeline.steps.days import export_group, seal_group
from cdr_pipeline.steps.days import seal_days as seal_step
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.seal_days import SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.days.day_groups import DayGroup
from cdr_pipeline.warehouse.ledger import Account, CompleteDay
from cdr_pipeline.warehouse.records.batch import BatchHeader
from tests.support.daily_files import NASTY
from tests.support.days import DAY
from tests.support.records import rows as record_rows

NAMES = {
    "empty": [],
    "nasty": NASTY,
    "one": ["Ann"],
    "two": ["Ann", "Ben"],
    "waiting": ["Ann"],
}
TABLES = {
    "days": "state, version, changes, exported_changes, published_at IS NULL",
    "export_files": "version, dialect, row_count, bytes, sha256 = content_sha256, manifest IS NULL",
    "day_events": "event, version, actor, reason, overridden, before_sha256",
    "account_changes": "change_no, kind, business_date, details - 'sha256'",
}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """All accounts are of one group."""
    monkeypatch.setattr(export_step, "_WRITERS", 1)
    monkeypatch.setattr(seal_step, "_WRITERS", 1)


def _load(ctx: RunContext, account_id: str, callers: list[str]) -> None:
    header = BatchHeader(account_id, uuid4(), "window", f"window-{uuid4()}", ctx.clock(), DAY)
    frame = record_rows(*(
        {
            "account_id": account_id, "record_id": f"r{number}", "caller_id_name": caller, "cost": number,
            "cost_currency": "EUR" if number % 2 else "USD",
        }
        for number, caller in enumerate(callers)
    ))  # fmt: skip
    with ctx.ledger() as ledger, ledger.records.load_batch(header) as load:
        load.stage(frame)
        load.finish(read=frame.height)


def _prepare(ctx: RunContext, prefix: str) -> list[str]:
    """Accounts whose day was collected whole, but for one of them."""
    end = day_bounds(DAY, "UTC")[1]
    for account_id, callers in NAMES.items():
        with ctx.ledger() as ledger:
            ledger.accounts.add(Account(prefix + account_id, time_zone="UTC"), now=ctx.clock())
            if account_id != "waiting":
                complete = CompleteDay(prefix + account_id, DAY, end, Volume(0, None, "usual"))
                ledger.days.record_collected([complete], now=ctx.clock())
        if callers:
            _load(ctx, prefix + account_id, callers)
    return [prefix + account_id for account_id in NAMES]


def _content(ctx: RunContext, prefix: str) -> dict[str, Any]:
    """What the accounts with a prefix have in the ledger and on disk, without the prefix."""
    content: dict[str, Any] = {}
    with ctx.ledger() as ledger:
        for table, columns in TABLES.items():
            found = ledger.connection.execute(
                f"SELECT substr(account_id, length(%(prefix)s) + 1), {columns} FROM {table}"
                " WHERE starts_with(account_id, %(prefix)s)".encode(),
                {"prefix": prefix},
            )
            content[table] = sorted(found.fetchall(), key=repr)
    root = ctx.settings.export_dir
    content["files"] = {
        str(path.relative_to(root)).replace(prefix, ""): (path.stat().st_mode, _text(path.read_text(), prefix))
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name.startswith(f"cdrs_{prefix}")
    }
    return content


def _text(text: str, prefix: str) -> list[str]:
    """Lines of a file without the prefix of the account and the hashes, which depend on it."""
    return [line for line in text.replace(prefix, "").splitlines() if "sha256" not in line]


def _nights(ctx: RunContext, prefix: str) -> list[dict[str, Any]]:
    """Content after an export, an export with one changed day, the seal, and an export of the sealed days."""
    accounts = _prepare(ctx, prefix)
    contents: list[dict[str, Any]] = []
    grace_over = replace(ctx, clock=lambda: ctx.clock() + timedelta(days=10))
    for step in ("export", "change", "seal", "again"):
        if step == "change":
            _load(ctx, f"{prefix}two", ["Ann", "Ben", "Carl"])
        if step == "seal":
            sealed = {
                day.account_id.removeprefix(prefix): day for day in seal_days(SealRequest([DAY], accounts), grace_over)
            }
            assert [name for name, day in sealed.items() if day.outcome != "sealed"] == ["waiting"]
            assert sealed["waiting"].obstacles == ("not_collected_whole",)
        else:
            exported = export_days(ExportRequest([DAY], accounts), ctx)
            assert [day.failure for day in exported] == [None] * len(accounts)
        contents.append(_content(ctx, prefix))
    return contents


def test_days_end_the_same_together_and_alone(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    real = export_group.write_counted_file

    def noted(lines: Any, *, day: Any, export_dir: Any) -> Any:
        written.append(day.account_id.removeprefix("QG-"))
        return real(lines, day=day, export_dir=export_dir)

    monkeypatch.setattr(export_group, "write_counted_file", noted)
    together = _nights(ctx, "QG-")
    # The third export is that of the day that could not be sealed, whose file is on disk.
    assert written == [*NAMES, "two"]
    monkeypatch.setattr(DayGroup, "of", lambda *_: None)
    alone = _nights(ctx, "QA-")
    for ours, theirs in zip(together, alone, strict=True):
        for part, content in theirs.items():
            assert ours[part] == content, part
    found = verify_tree(ctx.settings.export_dir)
    assert len(found) == 2 * len(NAMES)
    assert not any(found.values())


def test_a_day_that_cannot_be_written_stops_no_other_of_its_group(ctx: RunContext) -> None:
    accounts = _prepare(ctx, "")
    blocked = ctx.settings.export_dir / "two"
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("a file where a folder must be")
    exported = {day.account_id: day for day in export_days(ExportRequest([DAY], accounts), ctx)}
    assert [name for name, day in exported.items() if day.failure] == ["two"]
    with ctx.ledger() as ledger:
        assert {file.account_id for file in ledger.day_states.open_files(accounts)} == NAMES.keys() - {"two"}
    blocked.unlink()
    assert all(day.file for day in export_days(ExportRequest([DAY], accounts), ctx))


def test_a_leg_that_is_linked_while_a_group_begins_has_one_row(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = _prepare(ctx, "")
    sizes = DayGroup.sizes

    def linked_afterwards(group: DayGroup) -> dict[str, int]:
        found = sizes(group)
        group.connection.execute(
            "INSERT INTO cdr_links VALUES ('two', 'r0', %s, 'r1', %s, 'reconciled', NULL, NULL, now())", [DAY, DAY]
        )
        return found

    with ctx.ledger() as ledger:
        ledger.connection.execute("UPDATE cdr SET origin = 'imported' WHERE account_id = 'two' AND record_id = 'r0'")
        ledger.connection.commit()
    monkeypatch.setattr(DayGroup, "sizes", linked_afterwards)
    files = {day.account_id: day.file for day in export_days(ExportRequest([DAY], accounts), ctx)}
    assert {name: file.manifest.rows for name, file in files.items() if file} == {
        "empty": 0, "nasty": len(NASTY), "one": 1, "two": 1, "waiting": 1,
    }  # fmt: skip


def test_a_group_that_died_before_its_manifests_is_announced_next(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = _prepare(ctx, "")
    export_days(ExportRequest([DAY], accounts), ctx)
    later = replace(ctx, clock=lambda: ctx.clock() + timedelta(days=10))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(seal_group, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            seal_days(SealRequest([DAY], accounts), later)
    sealed = {day.account_id: day.outcome for day in seal_days(SealRequest([DAY], accounts), later)}
    assert sealed == dict.fromkeys(NAMES, "already") | {"waiting": "refused"}
    final = [name for name, found in verify_tree(ctx.settings.export_dir).items() if not found]
    assert len(final) == len(NAMES)
    with ctx.ledger() as ledger:
        days = ledger.connection.execute("SELECT account_id, state, published_at IS NULL FROM days").fetchall()
    assert sorted(days) == [(name, "open" if name == "waiting" else "sealed", name == "waiting") for name in NAMES]


def test_a_failed_group_is_exported_and_sealed_one_by_one(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("a value that only a group has")

    monkeypatch.setattr(DayGroup, "record_files", broken)
    accounts = _prepare(ctx, "")
    exported = export_days(ExportRequest([DAY], accounts), ctx)
    assert all(day.file for day in exported)
    assert "one by one: ValueError" in caplog.text
    later = replace(ctx, clock=lambda: ctx.clock() + timedelta(days=10))
    sealed = {day.account_id: day.outcome for day in seal_days(SealRequest([DAY], accounts), later)}
    assert sealed == dict.fromkeys(NAMES, "sealed") | {"waiting": "refused"}
