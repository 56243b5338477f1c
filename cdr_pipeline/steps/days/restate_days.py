"""Restates sealed days with late changes: writes a new version of their files and keeps the old one unchanged."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from cdr_pipeline.core.time.account_zones import EarlierZone
from cdr_pipeline.errors import DayNotSealable, SealedFileDamaged
from cdr_pipeline.exports.adjustment import differences, write_adjustment
from cdr_pipeline.exports.atomic import remove
from cdr_pipeline.exports.daily_file import WrittenFile, require_bytes
from cdr_pipeline.exports.dialects.registry import EXACT
from cdr_pipeline.exports.manifest import decode_manifest, encode_manifest
from cdr_pipeline.steps.days.day_files import day_of, record_file, write_version
from cdr_pipeline.steps.days.publish_days import publish_day, publish_pending
from cdr_pipeline.steps.days.sealed_files import FileFault, hash_of
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, DayEvent, DayRecord, ExportFile, Ledger
from cdr_pipeline.warehouse.server.engine import translated


@dataclass(frozen=True, slots=True)
class RestateRequest:
    """Which days to restate.

    Attributes:
        actor: person responsible, or the name of an automatic rule; recorded in the audit log.
        reason: reason for the audit log.
        business_dates: days to restate if they are late_pending; every such day when omitted.
        accounts: ids of accounts to restate; all active ones when omitted.
        replace_lost: whether to restate days whose newest exact file is missing or changed. Their new version has no
            adjustment file, and checks no longer report the lost files.
    """

    actor: str
    reason: str
    business_dates: Sequence[date] | None = None
    accounts: Sequence[str] | None = None
    replace_lost: bool = False


@dataclass(frozen=True, slots=True)
class RestatedDay:
    """Result for one account's day.

    Attributes:
        account_id, business_date: account and day.
        outcome: ``restated``; ``unchanged``, its late changes cancel each other; ``refused``, a load of the account is
            running; ``failed``.
        version: version of its newest files.
        late_rows: number of records added, changed or withdrawn since the previous version.
        reasons: number of these records by reason.
        files: files of the new version, the adjustment file last.
        failure: cause of a failure; None on success.
    """

    account_id: str
    business_date: date
    outcome: Literal["restated", "unchanged", "refused", "failed"]
    version: int
    late_rows: int = 0
    reasons: dict[str, int] | None = None
    files: tuple[WrittenFile, ...] = ()
    failure: AccountFailure | None = None


def restate_days(request: RestateRequest, ctx: RunContext) -> list[RestatedDay]:
    """Writes a new version and an adjustment file for every late_pending day. A failed day does not affect the others.

    Returns:
        First the sealed days that could not be published, as failed; then the late days.

    Raises:
        AccountNotFound: a requested account is not registered.
        DayNotSealable: actor or reason is missing.
    """
    if not (request.actor.strip() and request.reason.strip()):
        raise DayNotSealable("a restatement needs the name of who answers for it, and a reason")
    with ctx.ledger() as ledger:
        accounts = {account.account_id: account for account in ledger.accounts.active(request.accounts)}
        unpublished = publish_pending(list(accounts), ledger, ctx)
        late = ledger.day_states.in_state(list(accounts), "late")
        if request.replace_lost:
            late = sorted({*late, *_lost_days(accounts, ledger)})
        wanted = None if request.business_dates is None else set(request.business_dates)
        failed = [
            RestatedDay(day.account_id, day.business_date, "failed", day.version, failure=day.failure)
            for day in unpublished
        ]
        return failed + [
            _restate_day(accounts[account_id], day, request, ledger, ctx)
            for account_id, day in late
            if wanted is None or day in wanted
        ]


def _restate_day(
    account: Account, business_date: date, request: RestateRequest, ledger: Ledger, ctx: RunContext
) -> RestatedDay:
    day = RestatedDay(account.account_id, business_date, "unchanged", 0)
    try:
        with translated(), ledger.day_states.lock(account.account_id, business_date) as no_loads:
            record = ledger.days.find(account.account_id, business_date)
            day = replace(day, version=record.version)
            if not (record.late_pending or request.replace_lost):
                return day
            if not no_loads:
                return replace(day, outcome="refused")
            day = _restate(account, business_date, record, request, ledger=ledger, ctx=ctx)
        if day.outcome == "restated":
            publish_day(account.account_id, business_date, day.version, ledger, ctx)
    except Exception as error:  # noqa: BLE001 - a failure affects only its day
        return replace(day, outcome="failed", failure=contained(account.account_id, f"day {business_date}", error))
    ctx.progress(f"{day.outcome} {account.account_id} {business_date}")
    return day


def _restate(
    account: Account,
    business_date: date,
    record: DayRecord,
    request: RestateRequest,
    *,
    ledger: Ledger,
    ctx: RunContext,
) -> RestatedDay:
    """Writes the next version from the records, and the adjustment file from the exact files of both versions."""
    before = {file.dialect: file for file in ledger.day_states.files(account.account_id, business_date, record.version)}
    old = _sealed_exact(before)
    old_path = ctx.settings.export_dir / old.path
    lost = request.replace_lost and hash_of(old_path) != old.sha256
    if not lost:
        require_bytes(old_path, old.sha256)
    if old.manifest is not None:
        # The day keeps the bounds under which it was sealed, even if the account has another time zone now.
        sealed = decode_manifest(old.manifest)
        own = EarlierZone(sealed.time_zone, business_date + timedelta(days=1))
        account = replace(account, time_zone=sealed.next_time_zone or sealed.time_zone, earlier_zones=(own,))
    version = record.version + 1
    written = write_version(
        account,
        business_date,
        record,
        ledger,
        ctx,
        version=version,
        state="restated",
        superseded={dialect: file.sha256 for dialect, file in before.items()},
    )
    changes = None if lost else differences(old_path, written[0].path)
    if changes is not None and not changes.late_rows:
        for file in written:
            remove(file.path)
        ledger.day_states.record_unchanged(account.account_id, business_date, changes=record.changes)
        return RestatedDay(account.account_id, business_date, "unchanged", record.version)
    files, reasons = written, dict[str, int]()
    if changes is not None:
        reconciled = ledger.reconciliations.of_day(account.account_id, business_date)
        day = day_of(account, business_date, record, reconciled, ctx, version=version, state="restated")
        adjustment = write_adjustment(
            changes,
            exact=written[0],
            day=replace(day, supersedes=old.sha256),
            export_dir=ctx.settings.export_dir,
            announce=False,
        )
        reasons = adjustment.manifest.reasons
        files = [
            replace(file, manifest=replace(file.manifest, late_rows=changes.late_rows))
            for file in (*written, adjustment)
        ]
    for file in files:
        record_file(file, ledger, ctx, manifest=encode_manifest(file.manifest).decode())
    final = DayEvent(
        event="restated",
        version=version,
        actor=request.actor,
        reason=request.reason,
        overridden=["sealed_file_lost"] if lost else [],
        before_sha256=old.content_sha256,
        after_sha256=files[0].manifest.content_sha256,
        happened_at=ctx.clock(),
        run_id=ctx.run_id,
    )
    ledger.day_states.record_final(account.account_id, business_date, final, changes=record.changes)
    if lost:
        ledger.sealed_files.record_lost_files(account.account_id, business_date, record.version, now=ctx.clock())
    return RestatedDay(
        account.account_id,
        business_date,
        "restated",
        version,
        late_rows=0 if changes is None else changes.late_rows,
        reasons=reasons,
        files=tuple(files),
    )


def _lost_days(accounts: Container[str], ledger: Ledger) -> list[tuple[str, date]]:
    """Days whose newest exact file is missing or changed according to the last check."""
    return [
        (file.account_id, file.business_date)
        for file in ledger.sealed_files.faulty_files()
        if file.newest
        and file.dialect == EXACT
        and file.fault in (FileFault.MISSING, FileFault.CHANGED)
        and file.account_id in accounts
    ]


def _sealed_exact(files: dict[str, ExportFile]) -> ExportFile:
    """The superseded exact file as recorded in the ledger."""
    old = files.get(EXACT)
    if old is None:
        raise SealedFileDamaged("the ledger knows no exact file of the sealed version", hint="restore the warehouse")
    return old
