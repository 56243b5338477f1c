"""Writes monthly files of accounts from their daily files: all rows, a summary, or journal lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from cdr_pipeline.exports.daily_file import sealed_manifest
from cdr_pipeline.exports.dialects.registry import EXACT
from cdr_pipeline.exports.file_names import manifest_path, month_folder
from cdr_pipeline.exports.manifest import read_manifest
from cdr_pipeline.exports.month import DaySource, Preset, write_journal, write_month, write_summary
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.engine import translated


@dataclass(frozen=True, slots=True)
class MonthRequest:
    """Which month to write.

    Attributes:
        month: any day of the month.
        accounts: ids of accounts to write; all active ones when omitted.
        preset: the ledger whose journal lines are written, instead of the rows and the summary.
    """

    month: date
    accounts: Sequence[str] | None = None
    preset: Preset | None = None


@dataclass(frozen=True, slots=True)
class MonthWritten:
    """Monthly files of one account.

    Attributes:
        account_id: account that owns the records.
        files: paths of the written files; empty when the account failed.
        days: number of days in the files.
        final: whether all of these days are final.
        failure: cause of a failure; None on success.
    """

    account_id: str
    files: tuple[Path, ...]
    days: int
    final: bool
    failure: AccountFailure | None = None


def export_month(request: MonthRequest, ctx: RunContext) -> list[MonthWritten]:
    """Writes the month from the newest version of each day that has a file.

    An account with a missing or damaged daily file is returned with its failure. The other accounts are written.

    Raises:
        AccountNotFound: a requested account is not registered.
    """
    first = request.month.replace(day=1)
    written: list[MonthWritten] = []
    with ctx.ledger() as ledger:
        for account in ledger.accounts.active(request.accounts):
            try:
                with translated():
                    written.append(_write_account(account.account_id, request, ledger, ctx))
            except Exception as error:  # noqa: BLE001 - a failure affects only its account
                failure = contained(account.account_id, f"month {first:%Y-%m}", error)
                written.append(MonthWritten(account.account_id, (), 0, final=False, failure=failure))
    return written


def _write_account(account_id: str, request: MonthRequest, ledger: Ledger, ctx: RunContext) -> MonthWritten:
    first = request.month.replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    sources = _sources(account_id, first, last, ledger, ctx)
    folder = month_folder(ctx.settings.export_dir, account_id, first)
    if request.preset:
        files = write_journal(sources, preset=request.preset, account_id=account_id, month=first, folder=folder)
    else:
        files = [
            write(sources, account_id=account_id, month=first, folder=folder) for write in (write_month, write_summary)
        ]
    ctx.progress(f"month of {account_id}")
    final = all(source.manifest.state != "open" for source in sources)
    return MonthWritten(account_id, tuple(files), len(sources), final=final)


def _sources(account_id: str, first: date, last: date, ledger: Ledger, ctx: RunContext) -> list[DaySource]:
    sources: list[DaySource] = []
    for line in ledger.day_states.lines([account_id], first, last):
        for file in ledger.day_states.files(account_id, line.business_date, line.version):
            if file.dialect == EXACT:
                path = ctx.settings.export_dir / file.path
                sealed = file.manifest is not None
                manifest = sealed_manifest(path) if sealed else read_manifest(manifest_path(path))
                sources.append(DaySource(path, manifest))
    return sources
