"""Writes the daily files: the day that is asked for, and every earlier open day whose records have changed since."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, write_daily_file
from cdr_pipeline.steps.workplace import Workplace
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.reading import day_records

_VERSION = 1


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
    """One account's file of one day.

    Attributes:
        account_id: whose.
        business_date: of which day.
        file: path, size, hash, totals, and whether a byte changed.
        asked: the day was asked for; otherwise it was written because its records had changed.
    """

    account_id: str
    business_date: date
    file: WrittenFile
    asked: bool


def export_days(request: ExportRequest, at: Workplace) -> list[ExportedDay]:
    """Writes the files, each whole or not at all; unchanged ones are left alone to the byte.

    Raises:
        AccountNotFound: an account asked for is unknown.
        ExportError: a file could not be written.
    """
    with at.ledger() as ledger:
        accounts = {account.account_id: account for account in ledger.accounts(request.accounts)}
        asked = [(account_id, day) for day in request.business_dates for account_id in accounts]
        changed = ledger.days_to_export(list(accounts)) if request.changed_days else []
        others = sorted(set(changed) - set(asked))
        return [
            _export_day(accounts[account_id], day, ledger, at, asked=number < len(asked))
            for number, (account_id, day) in enumerate(asked + others)
        ]


def _export_day(account: Account, business_date: date, ledger: Ledger, at: Workplace, *, asked: bool) -> ExportedDay:
    # The number of changes is read before the records: a change in between makes the day due again, never lost.
    known = ledger.day(account.account_id, business_date)
    day = DailyFile(
        account_id=account.account_id,
        business_date=business_date,
        time_zone=account.time_zone,
        version=_VERSION,
        watermark_utc=known.complete_through,
        rejected_rows=known.rejected_rows,
        run_id=at.run_id,
        created_utc=at.clock(),
    )
    written = write_daily_file(
        day_records(ledger.connection, account.account_id, business_date),
        day=day,
        export_dir=at.settings.export_dir,
    )
    ledger.record_export_file(
        account_id=account.account_id,
        business_date=business_date,
        version=_VERSION,
        dialect="exact",
        path=str(written.path.relative_to(at.settings.export_dir)),
        sha256=written.sha256,
        size=written.size,
        rows=written.rows,
        changes=known.changes,
        now=at.clock(),
    )
    at.progress(f"exported {account.account_id} {business_date}")
    return ExportedDay(account.account_id, business_date, written, asked)
