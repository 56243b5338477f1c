"""Writes daily files: of the requested days, and of other open days whose records have changed."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

import orjson

from cdr_pipeline.errors import ExportError
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, require_bytes, write_daily_file
from cdr_pipeline.exports.dialects.registry import EXACT, SELECTABLE
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.manifest import read_manifest
from cdr_pipeline.exports.placed_files import placed_files
from cdr_pipeline.exports.renditions import write_rendition
from cdr_pipeline.steps.days.publish_days import publish_day
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, DayRecord, ExportFile, Ledger
from cdr_pipeline.warehouse.reconciliation.reconciliations import DayReconciliation
from cdr_pipeline.warehouse.server.engine import translated

# Threads that write in parallel. A thread waits until its file is safely on disk; meanwhile the others read and write.
_WRITERS: Final = 4


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Which files to write.

    Attributes:
        business_dates: days whose file must exist and be up to date, even if it has no records.
        accounts: ids of accounts to export; all active ones when omitted.
        changed_days: whether to export other open days too, if their records have changed since the last export.
    """

    business_dates: Sequence[date]
    accounts: Sequence[str] | None = None
    changed_days: bool = True


@dataclass(frozen=True, slots=True)
class ExportedDay:
    """Files of one account and day.

    Attributes:
        account_id: account that owns the records.
        business_date: business date of the files.
        file: the exact file with path, size, hash, totals, and whether its bytes changed; None when the day failed.
        asked: whether the day was requested; otherwise it was exported because its records had changed.
        others: files in other dialects.
        late_pending: whether the sealed day has late records; its files do not change.
        failure: cause of a failure; None on success.
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
        """All files, the exact file first; empty when the day failed."""
        return () if self.file is None else (self.file, *self.others)

    @property
    def state(self) -> str:
        """State of the day: open, sealed, restated, late_pending or failed."""
        if self.file is None:
            return "failed"
        return "late_pending" if self.late_pending else self.file.manifest.state


def export_days(request: ExportRequest, ctx: RunContext) -> list[ExportedDay]:
    """Writes the files, each one atomically. Unchanged files and sealed files are not touched.

    A day that fails, for example because of a full disk or a missing sealed file, is returned with its failure. The
    other days are written.

    Raises:
        AccountNotFound: a requested account is not registered.
        WarehouseUnavailable: the warehouse is down.
    """
    with ctx.ledger() as ledger:
        ledger.records.analyze_new_tables()
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
    record: DayRecord,
    ledger: Ledger,
    ctx: RunContext,
    *,
    version: int,
    state: Literal["open", "restated"] = "open",
    superseded: dict[str, str] | None = None,
    reconciled: DayReconciliation | None = None,
) -> list[WrittenFile]:
    """Writes the files of a day in all dialects, the exact file first, unless an open day has them already.

    Args:
        account: account that owns the records.
        business_date: day of the records.
        record: ledger entry of the day, read before the records.
        ledger: ledger in a transaction that holds or locks the day.
        ctx: settings, warehouse, clock and progress callback.
        version: version of the files.
        state: state of the day with these files. Manifests of an open day are published at once.
        superseded: sha256 of the files of the previous version, by dialect.
        reconciled: verdict of the day's reconciliation, if it was read in the same transaction.
    """
    verdict = reconciled or ledger.reconciliations.of_day(account.account_id, business_date)
    day = day_of(account, business_date, record, verdict, ctx, version=version, state=state)
    before = superseded or {}
    announce = state == "open"
    recorded = {file.dialect: file for file in ledger.day_states.files(account.account_id, business_date, version)}
    # Files in a dialect that has left the settings are updated too, so that none stays provisional.
    wanted = recorded.keys() | set(ctx.settings.export_dialects.split(","))
    others = [dialect for dialect in SELECTABLE if dialect in wanted and dialect != EXACT]
    # A dialect that the previous version lacks supersedes the exact file of that version.
    days = {dialect: replace(day, supersedes=before.get(dialect, before.get(EXACT))) for dialect in (EXACT, *others)}
    if announce and record.exported_changes == record.changes:
        described = {name: (file.sha256, file.content_sha256, file.rows) for name, file in recorded.items()}
        placed = placed_files(days, described, ctx.settings.export_dir)
        if placed is not None:
            return placed
    with closing(ledger.records.day_lines(account.account_id, business_date)) as contents:
        exact = write_daily_file(
            contents,
            day=days[EXACT],
            export_dir=ctx.settings.export_dir,
            announce=announce,
        )
    key = ctx.settings.redaction_key.get_secret_value() if ctx.settings.redaction_key else None
    return [
        exact,
        *(
            write_rendition(
                dialect,
                exact,
                day=days[dialect],
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
    record: DayRecord,
    reconciled: DayReconciliation,
    ctx: RunContext,
    *,
    version: int,
    state: Literal["open", "sealed", "restated"],
) -> DailyFile:
    """Values of the manifests of a day that do not come from its rows."""
    zone, following = (account.zones.on(business_date + timedelta(days=days)) for days in (0, 1))
    return DailyFile(
        account_id=account.account_id,
        business_date=business_date,
        time_zone=zone,
        next_time_zone=None if following == zone else following,
        version=version,
        watermark_utc=record.complete_through,
        rejected_rows=record.rejected_rows,
        corrected_rows=record.corrected_rows,
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
    """Records a file in the ledger, with the text of its manifest if that is final."""
    recorded = ExportFile(
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
    )
    ledger.days.record_file(recorded, now=ctx.clock())


def require_exported(days: Sequence[ExportedDay]) -> None:
    """Raises ExportError when a day failed. The error names the account, date and cause of each."""
    failed = [day for day in days if day.failure is not None]
    if failed:
        named = "; ".join(
            f"{day.account_id} {day.business_date}: {day.failure.message}" for day in failed if day.failure
        )
        raise ExportError(
            f"{count_of(len(failed), 'day was', 'days were')} not exported; the others were. {named}",
            hint="fix the cause, then run the same command again",
        )


def _differing(files: Sequence[ExportFile], export_dir: Path) -> set[tuple[str, date]]:
    """Open days whose file is missing, or whose manifest differs from the ledger."""
    days: set[tuple[str, date]] = set()
    for file in files:
        path = export_dir / file.path
        try:
            note = orjson.loads(manifest_path(path).read_bytes())
            described = (note["sha256"], note["content_sha256"], note["rows"], path.stat().st_size)
        except (OSError, ValueError, KeyError, TypeError):
            described = None
        if described != (file.sha256, file.content_sha256, file.rows, file.size):
            days.add((file.account_id, file.business_date))
    return days


def _export_share(due: Sequence[tuple[Account, date, bool]], ctx: RunContext) -> list[ExportedDay]:
    """Exports the share of one thread over its own connection."""
    with ctx.ledger() as ledger:
        return [_export_or_fail(account, day, ledger, ctx, asked=asked) for account, day, asked in due]


def _export_or_fail(
    account: Account, business_date: date, ledger: Ledger, ctx: RunContext, *, asked: bool
) -> ExportedDay:
    try:
        with translated():
            return _export_day(account, business_date, ledger, ctx, asked=asked)
    except Exception as error:  # noqa: BLE001 - a failure affects only its day
        failure = contained(account.account_id, f"day {business_date}", error)
        return ExportedDay(account.account_id, business_date, None, asked, failure=failure)


def _export_day(account: Account, business_date: date, ledger: Ledger, ctx: RunContext, *, asked: bool) -> ExportedDay:
    with ledger.day_states.lock_for_export(account.account_id, business_date):
        # The change counter is read before the records, so that a change in between makes the day due again.
        record = ledger.days.find(account.account_id, business_date)
        if record.state != "open":
            return _sealed_day(account.account_id, business_date, record, ledger, ctx, asked=asked)
        exact, *others = write_version(account, business_date, record, ledger, ctx, version=record.version)
        for file in (exact, *others):
            record_file(file, ledger, ctx)
        ledger.days.record_exported(account.account_id, business_date, changes=record.changes, now=ctx.clock())
    ctx.progress(f"exported {account.account_id} {business_date}")
    return ExportedDay(account.account_id, business_date, exact, asked, tuple(others))


def _sealed_day(
    account_id: str, business_date: date, record: DayRecord, ledger: Ledger, ctx: RunContext, *, asked: bool
) -> ExportedDay:
    """The existing files of a sealed day. Publishes them if that is still due."""
    if record.published_at is None:
        publish_day(account_id, business_date, record.version, ledger, ctx)
    files = {file.dialect: file for file in ledger.day_states.files(account_id, business_date, record.version)}
    sealed = {
        dialect: WrittenFile(path, read_manifest(manifest_path(path)), changed=False)
        for dialect, path in (
            (name, _sealed_path(ctx.settings.export_dir, file.path, file.sha256)) for name, file in files.items()
        )
    }
    exact = sealed.pop(EXACT)
    return ExportedDay(
        account_id, business_date, exact, asked, tuple(sealed.values()), late_pending=record.late_pending
    )


def _sealed_path(export_dir: Path, path: str, sha256: str) -> Path:
    require_bytes(export_dir / path, sha256)
    return export_dir / path
