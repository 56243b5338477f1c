"""Seals days: makes the files of a day final once the grace period is over and its data is complete."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from cdr_pipeline.errors import DayNotSealable
from cdr_pipeline.exports.daily_file import WrittenFile, publish
from cdr_pipeline.exports.manifest import encode_manifest
from cdr_pipeline.steps.days.day_files import record_file, write_version
from cdr_pipeline.steps.days.export_group import shares_of
from cdr_pipeline.steps.days.publish_days import publish_pending
from cdr_pipeline.steps.days.seal_group import seal_together
from cdr_pipeline.steps.days.seal_rules import (
    AUTOMATIC,
    Obstacle,
    Override,
    SealedDay,
    WaitingFiles,
    final_files,
    grace_end,
    in_grace,
    obstacles_of,
    refuses,
    seal_event,
)
from cdr_pipeline.steps.failure import contained
from cdr_pipeline.steps.operations.clocks import require_clock
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, DayRecord, Ledger
from cdr_pipeline.warehouse.reconciliation.reconciliations import DayReconciliation
from cdr_pipeline.warehouse.server.engine import translated

__all__ = [
    "AUTOMATIC",
    "Obstacle",
    "Override",
    "SealRequest",
    "SealedDay",
    "day_obstacles",
    "grace_end",
    "seal_days",
]

# Threads that seal in parallel: while one waits for the disk, others read and write. A night seals a day per account.
_WRITERS: Final = 4
# Days of a thread whose publication the ledger records in one statement. If the process is killed before it, the next
# run finds their manifests and records them.
_PUBLISHED_TOGETHER: Final = 50


@dataclass(frozen=True, slots=True)
class SealRequest:
    """Which days to seal.

    Attributes:
        business_dates: days to seal; every open day whose grace period is over when omitted.
        accounts: ids of accounts to seal; all active ones when omitted.
        override: person and reason for sealing days in spite of obstacles.
    """

    business_dates: Sequence[date] | None = None
    accounts: Sequence[str] | None = None
    override: Override | None = None


def seal_days(request: SealRequest, ctx: RunContext) -> list[SealedDay]:
    """Seals the days that can be sealed; small ones share a transaction. A failed day does not affect the others.

    The ledger records a seal before the manifests are written. If the process is killed in between, the next call
    publishes the manifests, so that a published manifest is never withdrawn. Running it twice seals each day once.

    Returns:
        First the days that were sealed earlier and still cannot be published, as failed; then the requested days.

    Raises:
        AccountNotFound: a requested account is not registered.
        DayNotSealable: the override lacks a name or a reason.
        ClockDisagrees: this machine's clock differs from the warehouse's or the switch's; nothing was sealed.
        ConfigurationError: inbound.toml is invalid, so it is not known which files are expected; nothing was sealed.
    """
    if request.override is not None and not (request.override.actor.strip() and request.override.reason.strip()):
        raise DayNotSealable("an override needs the name of who answers for it, and a reason")
    with ctx.ledger() as ledger:
        require_clock(ledger, ctx, ask_switch=True)
        accounts = {account.account_id: account for account in ledger.accounts.active(request.accounts)}
        unpublished = [
            SealedDay(day.account_id, day.business_date, "failed", failure=day.failure)
            for day in publish_pending(list(accounts), ledger, ctx)
        ]
        due_days = [(accounts[account_id], day) for account_id, day in _due_days(request, accounts, ledger, ctx)]
        waiting = WaitingFiles.of(list(accounts), {day for _, day in due_days}, ledger, ctx)
    with ThreadPoolExecutor(_WRITERS, thread_name_prefix="seal_days") as pool:
        shares = pool.map(
            lambda share: _seal_share(share, request.override, waiting, ctx), shares_of(due_days, _WRITERS)
        )
        return unpublished + [day for share in shares for day in share]


def day_obstacles(account: Account, business_date: date, ctx: RunContext) -> list[Obstacle]:
    """What blocks sealing of an open day now, in the order of ``Obstacle``."""
    with ctx.ledger() as ledger:
        waiting = WaitingFiles.of([account.account_id], [business_date], ledger, ctx)
        record = ledger.days.find(account.account_id, business_date)
        reconciled = ledger.reconciliations.of_day(account.account_id, business_date)
        counts = ledger.day_states.obstacles(account.account_id, business_date)
        return obstacles_of(account, business_date, record, counts, waiting=waiting, reconciled=reconciled, ctx=ctx)


def _seal_share(
    days: Sequence[tuple[Account, date]], override: Override | None, waiting: WaitingFiles, ctx: RunContext
) -> list[SealedDay]:
    """Seals the share of one thread over its own connection; records some days at a time as published."""
    sealed: list[SealedDay] = []
    with ctx.ledger() as ledger:
        for first in range(0, len(days), _PUBLISHED_TOGETHER):
            some = days[first : first + _PUBLISHED_TOGETHER]
            together = seal_together(some, override, waiting, ledger, ctx)
            done = [
                together.get((account.account_id, day))
                or _seal_day(account, day, override, waiting, ledger=ledger, ctx=ctx)
                for account, day in some
            ]
            sealed += _record_published(done, ledger, ctx)
    return sealed


def _record_published(days: Sequence[SealedDay], ledger: Ledger, ctx: RunContext) -> list[SealedDay]:
    """Records that the manifests of the days just sealed are on disk; the days are failed if that is not possible."""
    published = [
        (day.account_id, day.business_date, day.files[0].manifest.version) for day in days if day.outcome == "sealed"
    ]
    if not published:
        return list(days)
    try:
        with translated():
            ledger.day_states.record_published(published, now=ctx.clock())
    except Exception as error:  # noqa: BLE001 - the days are sealed; the next run records that they are published
        return [_unpublished(day, error) if day.outcome == "sealed" else day for day in days]
    return list(days)


def _unpublished(day: SealedDay, error: Exception) -> SealedDay:
    failure = contained(day.account_id, f"day {day.business_date}", error)
    return SealedDay(day.account_id, day.business_date, "failed", failure=failure)


def _due_days(
    request: SealRequest, accounts: dict[str, Account], ledger: Ledger, ctx: RunContext
) -> list[tuple[str, date]]:
    if request.business_dates is not None:
        return [(account_id, day) for day in request.business_dates for account_id in accounts]
    due = ledger.day_states.in_state(list(accounts), "open")
    return [(account_id, day) for account_id, day in due if not in_grace(accounts[account_id], day, ctx)]


def _seal_day(
    account: Account,
    business_date: date,
    override: Override | None,
    waiting: WaitingFiles,
    *,
    ledger: Ledger,
    ctx: RunContext,
) -> SealedDay:
    day = SealedDay(account.account_id, business_date, "refused")
    try:
        with translated(), ledger.day_states.lock(account.account_id, business_date) as no_loads:
            record = ledger.days.find(account.account_id, business_date)
            if record.state != "open":
                return replace(day, outcome="already")
            reconciled = ledger.reconciliations.of_day(account.account_id, business_date)
            counts = ledger.day_states.obstacles(account.account_id, business_date)
            blocking = obstacles_of(
                account, business_date, record, counts, waiting=waiting, reconciled=reconciled, ctx=ctx
            )
            obstacles = (*blocking, *(() if no_loads else (Obstacle.LOADING,)))
            if refuses(obstacles, override):
                return replace(day, obstacles=obstacles)
            files = _seal(
                account,
                business_date,
                record,
                reconciled,
                obstacles=obstacles,
                override=override,
                ledger=ledger,
                ctx=ctx,
            )
        for file in files:
            publish(file.path, file.sha256, encode_manifest(file.manifest))
    except Exception as error:  # noqa: BLE001 - a failure affects only its day
        return replace(day, outcome="failed", failure=contained(account.account_id, f"day {business_date}", error))
    ctx.progress(f"sealed {account.account_id} {business_date}")
    return replace(day, outcome="sealed", obstacles=obstacles, files=tuple(files))


def _seal(
    account: Account,
    business_date: date,
    record: DayRecord,
    reconciled: DayReconciliation,
    *,
    obstacles: Sequence[Obstacle],
    override: Override | None,
    ledger: Ledger,
    ctx: RunContext,
) -> list[WrittenFile]:
    """Writes the final files and records them in the ledger."""
    written = write_version(account, business_date, record, ledger, ctx, version=record.version, reconciled=reconciled)
    sealed = final_files(written, ctx)
    for file in sealed:
        record_file(file, ledger, ctx, manifest=encode_manifest(file.manifest).decode())
    final = seal_event(record, sealed, obstacles, override, ctx)
    ledger.day_states.record_final(account.account_id, business_date, final, changes=record.changes)
    return sealed
