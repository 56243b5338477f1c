"""Writes daily files: of the requested days, and of other open days whose records have changed."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import orjson

from cdr_pipeline.errors import ExportError
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.steps.days.day_files import record_file, write_version
from cdr_pipeline.steps.days.export_group import export_together, shares_of
from cdr_pipeline.steps.days.exported_day import ExportedDay, sealed_day
from cdr_pipeline.steps.days.publish_days import publish_day
from cdr_pipeline.steps.failure import contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, ExportFile, Ledger
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
    with ThreadPoolExecutor(_WRITERS, thread_name_prefix="export_days") as pool:
        shares = pool.map(lambda share: _export_share(share, ctx), shares_of(due, _WRITERS))
        return [day for share in shares for day in share]


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
        together = export_together(due, ledger, ctx)
        return [
            together.get((account.account_id, day)) or _export_or_fail(account, day, ledger, ctx, asked=asked)
            for account, day, asked in due
        ]


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
            if record.published_at is None:
                publish_day(account.account_id, business_date, record.version, ledger, ctx)
            recorded = ledger.day_states.files(account.account_id, business_date, record.version)
            return sealed_day(recorded, record, ctx, asked=asked)
        exact, *others = write_version(account, business_date, record, ledger, ctx, version=record.version)
        for file in (exact, *others):
            record_file(file, ledger, ctx)
        ledger.days.record_exported(account.account_id, business_date, changes=record.changes, now=ctx.clock())
    ctx.progress(f"exported {account.account_id} {business_date}")
    return ExportedDay(account.account_id, business_date, exact, asked, tuple(others))
