"""Writes a month of accounts from their days' files: all rows, a summary, journal lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from cdr_pipeline.exports.dialects import Dialect, manifest_path, month_folder
from cdr_pipeline.exports.manifest import read_manifest
from cdr_pipeline.exports.month import DaySource, Preset, write_journal, write_month, write_summary
from cdr_pipeline.steps.workplace import Workplace
from cdr_pipeline.warehouse.ledger import Ledger


@dataclass(frozen=True, slots=True)
class MonthRequest:
    """Which month.

    Attributes:
        month: any day of it.
        accounts: whose; all active ones when omitted.
        preset: the ledger whose journal lines are written, instead of the rows and the summary.
    """

    month: date
    accounts: Sequence[str] | None = None
    preset: Preset | None = None


@dataclass(frozen=True, slots=True)
class MonthWritten:
    """One account's files of a month, the days they are made of, and whether all of those are final."""

    account_id: str
    files: tuple[Path, ...]
    days: int
    final: bool


def export_month(request: MonthRequest, at: Workplace) -> list[MonthWritten]:
    """Writes the month from the newest version of each day that has a file.

    Raises:
        AccountNotFound: an account asked for is unknown.
        ExportError: a day's file is missing or damaged, or one cannot be written.
    """
    first = request.month.replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    written: list[MonthWritten] = []
    with at.ledger() as ledger:
        for account in ledger.accounts(request.accounts):
            sources = _sources(account.account_id, first, last, ledger, at)
            folder = month_folder(at.settings.export_dir, account.account_id, first)
            if request.preset:
                files = write_journal(
                    sources, preset=request.preset, account_id=account.account_id, month=first, folder=folder
                )
            else:
                files = [
                    write(sources, account_id=account.account_id, month=first, folder=folder)
                    for write in (write_month, write_summary)
                ]
            final = all(source.manifest.state != "open" for source in sources)
            written.append(MonthWritten(account.account_id, tuple(files), len(sources), final=final))
            at.progress(f"month of {account.account_id}")
    return written


def _sources(account_id: str, first: date, last: date, ledger: Ledger, at: Workplace) -> list[DaySource]:
    sources: list[DaySource] = []
    for line in ledger.day_lines([account_id], first, last):
        for file in ledger.export_files(account_id, line.business_date, line.version):
            if file.dialect == Dialect.EXACT:
                path = at.settings.export_dir / file.path
                sources.append(DaySource(path, read_manifest(manifest_path(path))))
    return sources
