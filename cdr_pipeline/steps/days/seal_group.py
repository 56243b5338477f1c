"""Seals days of small accounts together: each is decided on its own, and all are recorded at once.

A day whose files have to be written first, or that is not small, is left out; the caller seals it alone.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from cdr_pipeline.exports.daily_file import WrittenFile, publish
from cdr_pipeline.exports.manifest import encode_manifest
from cdr_pipeline.exports.placed_files import placed_small_files
from cdr_pipeline.steps.days.day_files import day_of, descriptions, files_of_version, ledger_entry
from cdr_pipeline.steps.days.export_group import small_parts
from cdr_pipeline.steps.days.seal_rules import (
    Obstacle,
    Override,
    SealedDay,
    WaitingFiles,
    final_files,
    obstacles_of,
    refuses,
    seal_event,
)
from cdr_pipeline.steps.failure import contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.days.day_groups import DayGroup, DaySeal
from cdr_pipeline.warehouse.ledger import Account, DayRecord, Ledger
from cdr_pipeline.warehouse.reconciliation.reconciliations import NEVER_RECONCILED
from cdr_pipeline.warehouse.server.engine import translated

_log = logging.getLogger(__name__)


def seal_together(
    days: Sequence[tuple[Account, date]],
    override: Override | None,
    waiting: WaitingFiles,
    ledger: Ledger,
    ctx: RunContext,
) -> dict[tuple[str, date], SealedDay]:
    """Seals those days that can share a transaction, and publishes their manifests after it.

    Args:
        days: days to seal.
        override: person and reason for sealing days in spite of obstacles.
        waiting: files outside the warehouse.
        ledger: ledger over a connection that no other thread uses.
        ctx: settings, warehouse, clock and progress callback.

    Returns:
        Results by account id and business date; the other days have to be sealed alone.
    """
    by_date: dict[date, dict[str, Account]] = {}
    for account, day in days:
        by_date.setdefault(day, {})[account.account_id] = account
    done: dict[tuple[str, date], SealedDay] = {}
    for business_date, accounts in by_date.items():
        group = ledger.day_group(accounts, business_date)
        if group is None:
            continue
        try:
            with translated(), group.lock() as quiet:
                decided = _decide(group, accounts, quiet, override, waiting=waiting, ctx=ctx)
        except Exception as error:  # noqa: BLE001 - the caller seals these days alone and reports the fault
            _log.warning("days of %d accounts are sealed one by one: %s", len(accounts), type(error).__name__)
            continue
        for day in decided:
            done[day.account_id, business_date] = _published(day, ctx) if day.outcome == "sealed" else day
    return done


def _decide(
    group: DayGroup,
    accounts: Mapping[str, Account],
    quiet: frozenset[str],
    override: Override | None,
    *,
    waiting: WaitingFiles,
    ctx: RunContext,
) -> list[SealedDay]:
    """Seals the days that can be sealed, in the transaction that has locked all of them."""
    records, counts, verdicts = group.entries(), group.obstacles(), group.verdicts()
    day = group.business_date
    decided: list[SealedDay] = []
    obstacles: dict[str, tuple[Obstacle, ...]] = {}
    for account_id, account in accounts.items():
        record, verdict = records[account_id], verdicts.get(account_id, NEVER_RECONCILED)
        if record.state != "open":
            decided.append(SealedDay(account_id, day, "already"))
            continue
        blocking = obstacles_of(account, day, record, counts[account_id], waiting=waiting, reconciled=verdict, ctx=ctx)
        found = (*blocking, *(() if account_id in quiet else (Obstacle.LOADING,)))
        if refuses(found, override):
            decided.append(SealedDay(account_id, day, "refused", found))
        else:
            obstacles[account_id] = found
    recorded = {
        account_id: files
        for account_id, files in group.files().items()
        if account_id in obstacles and records[account_id].exported_changes == records[account_id].changes
    }
    expected = {
        account_id: files_of_version(
            day_of(
                accounts[account_id],
                day,
                records[account_id],
                verdicts.get(account_id, NEVER_RECONCILED),
                ctx,
                version=records[account_id].version,
                state="open",
            ),
            files,
            {},
            ctx,
        )
        for account_id, files in recorded.items()
    }
    final: dict[str, list[WrittenFile]] = {}
    for part in small_parts({account_id: files[0].rows for account_id, files in recorded.items()}):
        placed = placed_small_files(
            {account_id: expected[account_id] for account_id in part},
            {account_id: descriptions(recorded[account_id]) for account_id in part},
            ctx.settings.export_dir,
        )
        final |= {account_id: final_files(files, ctx) for account_id, files in placed.items()}
    _record(group, final, records, obstacles, override, ctx=ctx)
    return decided + [
        SealedDay(account_id, day, "sealed", obstacles[account_id], tuple(files)) for account_id, files in final.items()
    ]


def _record(
    group: DayGroup,
    final: Mapping[str, Sequence[WrittenFile]],
    records: Mapping[str, DayRecord],
    obstacles: Mapping[str, tuple[Obstacle, ...]],
    override: Override | None,
    *,
    ctx: RunContext,
) -> None:
    """Records the seals and the final files in the ledger."""
    entries = [
        ledger_entry(file, ctx, manifest=encode_manifest(file.manifest).decode())
        for files in final.values()
        for file in files
    ]
    now = ctx.clock()
    group.record_files(entries, now=now)
    group.record_final(
        [
            DaySeal(
                account_id,
                replace(seal_event(records[account_id], files, obstacles[account_id], override, ctx), happened_at=now),
                records[account_id].changes,
            )
            for account_id, files in final.items()
        ]
    )


def _published(day: SealedDay, ctx: RunContext) -> SealedDay:
    """Publishes the manifests of a day that the ledger has recorded as sealed."""
    try:
        for file in day.files:
            publish(file.path, file.sha256, encode_manifest(file.manifest))
    except Exception as error:  # noqa: BLE001 - a failure affects only its day
        failure = contained(day.account_id, f"day {day.business_date}", error)
        return SealedDay(day.account_id, day.business_date, "failed", failure=failure)
    ctx.progress(f"sealed {day.account_id} {day.business_date}")
    return day
