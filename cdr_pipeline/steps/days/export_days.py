"""Writes the daily files: the day that is asked for, and every earlier open day whose records have changed since."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

import orjson

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, require_bytes, write_daily_file
from cdr_pipeline.exports.dialects import ExportDialect, manifest_path
from cdr_pipeline.exports.manifest import read_manifest
from cdr_pipeline.exports.renditions import write_rendition
from cdr_pipeline.steps.days.publish_days import publish_day
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, DayRecord, ExportFile, Ledger
from cdr_pipeline.warehouse.records.reading import day_lines
from cdr_pipeline.warehouse.server.engine import translated

# While one writer waits for the disk, for a file is only announced when it is safe there, others read and write.
_WRITERS: Final = 4


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Which files to write.

    Attributes:
        business_dates: days whose file must exist and be up to date, an empty one included.
        accounts: whose; all active ones when omitted.
        changed_days: also every other open day whose records have changed since its file was written.
    """

    business_dates: Sequence[date]
    accounts: Sequence[str] | None = None
    changed_days: bool = True


@dataclass(frozen=True, slots=True)
class ExportedDay:
    """One account's files of one day.

    Attributes:
        account_id: whose.
        business_date: of which day.
        file: the exact one: path, size, hash, totals, and whether a byte changed; None when the day failed.
        asked: the day was asked for; otherwise it was written because its records had changed.
        others: files in other dialects.
        late_pending: the day is sealed, and records have come or changed since; its files stay as they are.
        failure: what went wrong, if anything; the other days have their files.
    """

    account_id: str
    business_date: date
    file: WrittenFile | None
    asked: bool
    others: tuple[WrittenFile, ...] = ()
    late_pending: bool = False
    failure: AccountFailure | None = None

    @property
    def files(self) -> tuple[WrittenFile, ...]:
        """All of them, the exact one first; none when the day failed."""
        return () if self.file is None else (self.file, *self.others)

    @property
    def state(self) -> str:
        """Of the day: open, sealed, restated, late_pending or failed."""
        if self.file is None:
            return "failed"
        return "late_pending" if self.late_pending else self.file.manifest.state


def export_days(request: ExportRequest, ctx: RunContext) -> list[ExportedDay]:
    """Writes the files, each whole or not at all; unchanged ones are left alone to the byte, sealed ones always.

    A day that fails (its disk, a sealed file that is missing) is returned with its failure; the others are written.

    Raises:
        AccountNotFound: an account asked for is unknown.
        WarehouseUnavailable: the warehouse is gone.
    """
    with ctx.ledger() as ledger:
        accounts = {account.account_id: account for account in ledger.accounts.active(request.accounts)}
        asked = [(account_id, day) for day in request.business_dates for account_id in accounts]
        changed = set(ledger.days.to_export(list(accounts))) if request.changed_days else set[tuple[str, date]]()
        if request.changed_days:
            changed |= _differing(ledger.day_states.open_files(list(accounts)), ctx.settings.export_dir)
    others = sorted(changed - set(asked))
    due = [(accounts[account_id], day, number < len(asked)) for number, (account_id, day) in enumerate(asked + others)]
    writers = min(_WRITERS, len(due)) or 1
    with ThreadPoolExecutor(writers, thread_name_prefix="export_days") as pool:
        shares = list(pool.map(lambda first: _export_share(due[first::writers], ctx), range(writers)))
    return [shares[number % writers][number // writers] for number in range(len(due))]


def write_version(
    account: Account,
    business_date: date,
    known: DayRecord,
    ledger: Ledger,
    ctx: RunContext,
    *,
    version: int,
    state: Literal["open", "restated"] = "open",
    superseded: dict[str, str] | None = None,
) -> list[WrittenFile]:
    """Writes all dialects of a day, the exact one first.

    Args:
        account: whose day.
        business_date: which.
        known: what the ledger knew before the records are read.
        ledger: in a transaction in which the day is held or locked.
        ctx: settings, warehouse, clock and progress callback.
        version: which; files of an open one are announced at once.
        state: of the day with these files.
        superseded: sha256 of the files of the version before, by dialect.
    """
    day = day_of(account, business_date, known, ledger, ctx, version=version, state=state)
    before = superseded or {}
    announce = state == "open"
    with closing(day_lines(ledger.connection, account.account_id, business_date)) as contents:
        exact = write_daily_file(
            contents,
            day=replace(day, supersedes=before.get(ExportDialect.EXACT)),
            export_dir=ctx.settings.export_dir,
            announce=announce,
        )
    key = ctx.settings.redaction_key.get_secret_value() if ctx.settings.redaction_key else None
    # Files of a dialect that is no longer asked for are kept up with the others: none is left behind as provisional.
    there = {file.dialect for file in ledger.day_states.files(account.account_id, business_date, version)}
    asked = there.union(ctx.settings.export_dialects.split(","))
    others = (
        dialect
        for dialect in ExportDialect
        if dialect in asked and dialect not in (ExportDialect.EXACT, ExportDialect.ADJUSTMENT)
    )
    return [
        exact,
        *(
            write_rendition(
                dialect,
                exact,
                # A dialect that the version before did not have supersedes that version's exact file.
                day=replace(day, supersedes=before.get(dialect, before.get(ExportDialect.EXACT))),
                export_dir=ctx.settings.export_dir,
                redaction_key=key,
                announce=announce,
            )
            for dialect in others
        ),
    ]


def day_of(
    account: Account,
    business_date: date,
    known: DayRecord,
    ledger: Ledger,
    ctx: RunContext,
    *,
    version: int,
    state: Literal["open", "sealed", "restated"],
) -> DailyFile:
    """What the manifests of a day say beyond its rows."""
    reconciled = ledger.reconciliations.of_day(account.account_id, business_date)
    zone, following = (account.zones.on(business_date + timedelta(days=days)) for days in (0, 1))
    return DailyFile(
        account_id=account.account_id,
        business_date=business_date,
        time_zone=zone,
        next_time_zone=None if following == zone else following,
        version=version,
        watermark_utc=known.complete_through,
        rejected_rows=known.rejected_rows,
        corrected_rows=known.corrected_rows,
        state=state,
        reconciliation={
            "status": reconciled.status,
            "breaks": reconciled.breaks,
            "exposure": f"{reconciled.exposure:.8f}",
        },
        compression=ctx.settings.export_compression,
        run_id=ctx.run_id,
        created_utc=ctx.clock(),
    )


def record_file(file: WrittenFile, ledger: Ledger, ctx: RunContext, *, manifest: str | None = None) -> None:
    """Enters a file in the ledger, with its manifest's text where that is final."""
    ledger.days.record_file(
        account_id=file.manifest.account_id,
        business_date=date.fromisoformat(file.manifest.business_date),
        version=file.manifest.version,
        dialect=file.manifest.dialect,
        path=str(file.path.relative_to(ctx.settings.export_dir)),
        sha256=file.sha256,
        content_sha256=file.manifest.content_sha256,
        size=file.size,
        rows=file.rows,
        manifest=manifest,
        now=ctx.clock(),
    )


def require_exported(days: Sequence[ExportedDay]) -> None:
    """Raises ExportError when a day failed, naming each with its account and cause."""
    failed = [day for day in days if day.failure is not None]
    if failed:
        named = "; ".join(
            f"{day.account_id} {day.business_date}: {day.failure.message}" for day in failed if day.failure
        )
        raise ExportError(
            f"{len(failed)} day(s) were not exported; the others were. {named}",
            hint="fix the cause, then run the same command again",
        )


def _differing(files: Sequence[ExportFile], export_dir: Path) -> set[tuple[str, date]]:
    """Open days with a file that is gone, or whose manifest describes another file than the ledger knows."""
    found: set[tuple[str, date]] = set()
    for file in files:
        path = export_dir / file.path
        try:
            note = orjson.loads(manifest_path(path).read_bytes())
            described = (note["sha256"], note["content_sha256"], note["rows"], path.stat().st_size)
        except (OSError, ValueError, KeyError, TypeError):
            described = None
        if described != (file.sha256, file.content_sha256, file.rows, file.size):
            found.add((file.account_id, file.business_date))
    return found


def _export_share(due: Sequence[tuple[Account, date, bool]], ctx: RunContext) -> list[ExportedDay]:
    """One writer's part, over a connection of its own."""
    with ctx.ledger() as ledger:
        return [_export_or_fail(account, day, ledger, ctx, asked=asked) for account, day, asked in due]


def _export_or_fail(
    account: Account, business_date: date, ledger: Ledger, ctx: RunContext, *, asked: bool
) -> ExportedDay:
    try:
        with translated():
            return _export_day(account, business_date, ledger, ctx, asked=asked)
    except Exception as error:  # noqa: BLE001 - one day's failure is that day's
        failure = contained(account.account_id, f"day {business_date}", error)
        return ExportedDay(account.account_id, business_date, None, asked, failure=failure)


def _export_day(account: Account, business_date: date, ledger: Ledger, ctx: RunContext, *, asked: bool) -> ExportedDay:
    with ledger.day_states.lock_for_export(account.account_id, business_date):
        # The number of changes is read before the records: a change in between makes the day due again, never lost.
        known = ledger.days.find(account.account_id, business_date)
        if known.state != "open":
            return _sealed_day(account.account_id, business_date, known, ledger, ctx, asked=asked)
        exact, *others = write_version(account, business_date, known, ledger, ctx, version=known.version)
        for file in (exact, *others):
            record_file(file, ledger, ctx)
        ledger.days.record_exported(account.account_id, business_date, changes=known.changes, now=ctx.clock())
    ctx.progress(f"exported {account.account_id} {business_date}")
    return ExportedDay(account.account_id, business_date, exact, asked, tuple(others))


def _sealed_day(
    account_id: str, business_date: date, known: DayRecord, ledger: Ledger, ctx: RunContext, *, asked: bool
) -> ExportedDay:
    """The files of a sealed day as they are."""
    if known.published_at is None:
        publish_day(account_id, business_date, known.version, ledger, ctx)
    files = {file.dialect: file for file in ledger.day_states.files(account_id, business_date, known.version)}
    kept = {
        dialect: WrittenFile(path, read_manifest(manifest_path(path)), changed=False)
        for dialect, path in (
            (name, _sealed_path(ctx.settings.export_dir, file.path, file.sha256)) for name, file in files.items()
        )
    }
    exact = kept.pop(ExportDialect.EXACT)
    return ExportedDay(account_id, business_date, exact, asked, tuple(kept.values()), late_pending=known.late_pending)


def _sealed_path(export_dir: Path, path: str, sha256: str) -> Path:
    require_bytes(export_dir / path, sha256)
    return export_dir / path
