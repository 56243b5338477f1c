"""Files of one version of a day: in all dialects, as they must be written and as the ledger records them."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, write_daily_file
from cdr_pipeline.exports.dialects.registry import EXACT, SELECTABLE
from cdr_pipeline.exports.placed_files import placed_files
from cdr_pipeline.exports.renditions import write_rendition
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, DayRecord, ExportFile, Ledger
from cdr_pipeline.warehouse.reconciliation.reconciliations import DayReconciliation


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
    recorded = ledger.day_states.files(account.account_id, business_date, version)
    day = day_of(account, business_date, record, verdict, ctx, version=version, state=state)
    days = files_of_version(day, recorded, superseded or {}, ctx)
    announce = state == "open"
    if announce and record.exported_changes == record.changes:
        placed = placed_files(days, descriptions(recorded), ctx.settings.export_dir)
        if placed is not None:
            return placed
    with closing(ledger.records.day_lines(account.account_id, business_date)) as contents:
        exact = write_daily_file(
            contents,
            day=days[EXACT],
            export_dir=ctx.settings.export_dir,
            announce=announce,
        )
    return [exact, *write_renditions(exact, days, ctx, announce=announce)]


def files_of_version(
    day: DailyFile, recorded: Sequence[ExportFile], superseded: Mapping[str, str], ctx: RunContext
) -> dict[str, DailyFile]:
    """Day and version of the file in each dialect that a day must have, by dialect; the exact one first.

    Args:
        day: day and version of the files.
        recorded: files of the version, as the ledger recorded them.
        superseded: sha256 of the files of the previous version, by dialect.
        ctx: settings of the run.
    """
    # Files in a dialect that has left the settings are updated too, so that none stays provisional.
    wanted = {file.dialect for file in recorded} | set(ctx.settings.export_dialects.split(","))
    others = [dialect for dialect in SELECTABLE if dialect in wanted and dialect != EXACT]
    # A dialect that the previous version lacks supersedes the exact file of that version.
    return {
        dialect: replace(day, supersedes=superseded.get(dialect, superseded.get(EXACT))) for dialect in (EXACT, *others)
    }


def descriptions(recorded: Sequence[ExportFile]) -> dict[str, tuple[str, str | None, int]]:
    """Hash of file and content, and number of rows, of files as the ledger recorded them, by dialect."""
    return {file.dialect: (file.sha256, file.content_sha256, file.rows) for file in recorded}


def write_renditions(
    exact: WrittenFile, days: Mapping[str, DailyFile], ctx: RunContext, *, announce: bool
) -> list[WrittenFile]:
    """Writes the files of a day in the dialects besides the exact one, from its exact file.

    Args:
        exact: exact file of the day, on disk.
        days: day and version of the file in each dialect, by dialect.
        ctx: settings of the run.
        announce: whether to write the manifests too.
    """
    key = ctx.settings.redaction_key.get_secret_value() if ctx.settings.redaction_key else None
    return [
        write_rendition(
            dialect, exact, day=day, export_dir=ctx.settings.export_dir, redaction_key=key, announce=announce
        )
        for dialect, day in days.items()
        if dialect != EXACT
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
    ledger.days.record_file(ledger_entry(file, ctx, manifest=manifest), now=ctx.clock())


def ledger_entry(file: WrittenFile, ctx: RunContext, *, manifest: str | None = None) -> ExportFile:
    """A file as the ledger records it, with the text of its manifest if that is final."""
    return ExportFile(
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
