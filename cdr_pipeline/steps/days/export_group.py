"""Writes the daily files of small accounts together: their lines are read and counted at once, and recorded at once.

Each file is still written on its own. A day whose files cannot be written, or that is not small, is left out; the
caller exports it alone, which names its fault.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final, TypeVar

from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile
from cdr_pipeline.exports.dialects.registry import EXACT
from cdr_pipeline.exports.placed_files import placed_small_files
from cdr_pipeline.exports.small_files import CountedLines, counted_lines, write_counted_file
from cdr_pipeline.steps.days.day_files import day_of, descriptions, files_of_version, ledger_entry, write_renditions
from cdr_pipeline.steps.days.exported_day import ExportedDay, sealed_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.days.day_groups import DayGroup
from cdr_pipeline.warehouse.ledger import Account, DayRecord, ExportFile, Ledger
from cdr_pipeline.warehouse.reconciliation.reconciliations import NEVER_RECONCILED
from cdr_pipeline.warehouse.server.engine import translated

_log = logging.getLogger(__name__)

# Accounts of a group, whose days are locked until all files are written, and their records, which are in memory.
MOST_ACCOUNTS: Final = 50
_MOST_ROWS: Final = 20_000
# Records of the largest day that shares a frame.
_SMALL_ROWS: Final = 3_000

_Day = TypeVar("_Day")
DueDay = tuple[Account, date, bool]
"""An account, a business date, and whether the day was requested."""


def shares_of(days: Sequence[_Day], threads: int) -> list[Sequence[_Day]]:
    """Days of each thread: neighbours, which can be handled together."""
    size = -(-len(days) // threads) or 1
    return [days[first : first + size] for first in range(0, len(days), size)]


def export_together(due: Sequence[DueDay], ledger: Ledger, ctx: RunContext) -> dict[tuple[str, date], ExportedDay]:
    """Exports those days that can share statements and frames.

    Args:
        due: days to export.
        ledger: ledger over a connection that no other thread uses.
        ctx: settings, warehouse, clock and progress callback.

    Returns:
        Results by account id and business date; the other days have to be exported alone.
    """
    by_date: dict[date, list[DueDay]] = {}
    for day in due:
        by_date.setdefault(day[1], []).append(day)
    done: dict[tuple[str, date], ExportedDay] = {}
    for business_date, days in by_date.items():
        for group, members in _groups(days, business_date, ledger):
            try:
                with translated(), group.lock_for_export():
                    exported = _export_group(group, members, ctx)
            except Exception as error:  # noqa: BLE001 - the caller exports these days alone and reports the fault
                _log.warning("days of %d accounts are exported one by one: %s", len(members), type(error).__name__)
                continue
            for day in exported:
                if day.files[0].manifest.state == "open":
                    ctx.progress(f"exported {day.account_id} {business_date}")
                done[day.account_id, business_date] = day
    return done


def _groups(
    days: Sequence[DueDay], business_date: date, ledger: Ledger
) -> Iterator[tuple[DayGroup, dict[str, DueDay]]]:
    """Days of one date that are exported together, by account id."""
    for first in range(0, len(days), MOST_ACCOUNTS):
        some = {day[0].account_id: day for day in days[first : first + MOST_ACCOUNTS]}
        counted = ledger.day_group(some, business_date)
        if counted is None:
            continue
        for account_ids in small_parts(counted.sizes()):
            members = {account_id: some[account_id] for account_id in account_ids}
            group = ledger.day_group(members, business_date)
            if group is not None:
                yield group, members


def small_parts(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Accounts whose lines are in memory together; accounts with many rows are left out.

    Args:
        sizes: number of rows by account id.
    """
    part: list[str] = []
    rows = 0
    for account_id, size in sorted(sizes.items()):
        if size > _SMALL_ROWS:
            continue
        if part and rows + size > _MOST_ROWS:
            yield part
            part, rows = [], 0
        part.append(account_id)
        rows += size
    if part:
        yield part


def _export_group(group: DayGroup, members: Mapping[str, DueDay], ctx: RunContext) -> list[ExportedDay]:
    """Exports the days of a group in the transaction that has locked them."""
    # The change counters are read before the records, so that a change in between makes the day due again.
    records, recorded = group.entries(), group.files()
    exported: list[ExportedDay] = []
    for account_id, record in records.items():
        if record.state != "open" and record.published_at is not None:
            try:
                files = recorded.get(account_id, [])
                exported.append(sealed_day(files, record, ctx, asked=members[account_id][2]))
            except Exception as error:  # noqa: BLE001 - the caller exports this day alone and reports the fault
                _log.warning("a sealed day is looked at alone: %s", type(error).__name__)
    open_days = {account_id: record for account_id, record in records.items() if record.state == "open"}
    verdicts = group.verdicts() if open_days else {}
    days = {
        account_id: files_of_version(
            day_of(
                members[account_id][0],
                group.business_date,
                record,
                verdicts.get(account_id, NEVER_RECONCILED),
                ctx,
                version=record.version,
                state="open",
            ),
            recorded.get(account_id, ()),
            {},
            ctx,
        )
        for account_id, record in open_days.items()
    }
    files = _written(group, days, open_days, recorded, ctx)
    now = ctx.clock()
    entries = [ledger_entry(file, ctx) for own in files.values() for file in own]
    group.record_files(entries, now=now)
    group.record_exported({account_id: open_days[account_id].changes for account_id in files}, now=now)
    for account_id, (exact, *others) in files.items():
        asked = members[account_id][2]
        exported.append(ExportedDay(account_id, group.business_date, exact, asked, tuple(others)))
    return exported


def _written(
    group: DayGroup,
    days: Mapping[str, Mapping[str, DailyFile]],
    records: Mapping[str, DayRecord],
    recorded: Mapping[str, Sequence[ExportFile]],
    ctx: RunContext,
) -> dict[str, list[WrittenFile]]:
    """Files of open days by account id, the exact one first; days whose files cannot be written are left out."""
    same = {
        account_id: own
        for account_id, own in days.items()
        if account_id in recorded and records[account_id].exported_changes == records[account_id].changes
    }
    known = {account_id: descriptions(recorded[account_id]) for account_id in same}
    files = placed_small_files(same, known, ctx.settings.export_dir)
    missing = [account_id for account_id in days if account_id not in files]
    if missing:
        counted = counted_lines(dict(sorted(group.lines(missing).items())))
        for account_id in counted:
            try:
                files[account_id] = _write(counted[account_id], days[account_id], ctx)
            except Exception as error:  # noqa: BLE001 - the caller exports this day alone and reports the fault
                _log.warning("the files of a day are written alone: %s", type(error).__name__)
    return files


def _write(lines: CountedLines, days: Mapping[str, DailyFile], ctx: RunContext) -> list[WrittenFile]:
    exact = write_counted_file(lines, day=days[EXACT], export_dir=ctx.settings.export_dir)
    return [exact, *write_renditions(exact, days, ctx, announce=True)]
