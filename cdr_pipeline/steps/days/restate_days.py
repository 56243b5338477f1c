"""Restates sealed days whose records have changed since: a new version beside the old one, which stays as it is."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from cdr_pipeline.core.time.account_zones import EarlierZone
from cdr_pipeline.errors import DayNotSealable, SealedFileDamaged
from cdr_pipeline.exports.adjustment import differences, write_adjustment
from cdr_pipeline.exports.atomic import remove
from cdr_pipeline.exports.daily_file import WrittenFile, require_bytes
from cdr_pipeline.exports.dialects import ExportDialect
from cdr_pipeline.exports.manifest import decode_manifest, encode_manifest
from cdr_pipeline.steps.days.export_days import day_of, record_file, write_version
from cdr_pipeline.steps.days.publish_days import publish_day, publish_pending
from cdr_pipeline.steps.days.sealed_files import FileFault, hash_of
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, DayRecord, ExportFile, Ledger
from cdr_pipeline.warehouse.server.engine import translated


@dataclass(frozen=True, slots=True)
class RestateRequest:
    """Which days to restate.

    Attributes:
        actor: who answers for it; a person, or the name of the rule that runs by itself.
        reason: why now.
        business_dates: these, where they are late_pending; every such day when omitted.
        accounts: whose; all active ones when omitted.
        replace_lost: also days whose newest exact file is missing or changed; their new version has no adjustment file,
            and checks no longer name the lost files.
    """

    actor: str
    reason: str
    business_dates: Sequence[date] | None = None
    accounts: Sequence[str] | None = None
    replace_lost: bool = False


@dataclass(frozen=True, slots=True)
class RestatedDay:
    """What became of one account's day.

    Attributes:
        account_id, business_date: whose, which.
        outcome: ``restated`` now; ``unchanged``, its late changes undid each other; ``refused``, a load of the account
            runs; ``failed``.
        version: of its newest files.
        late_rows: records added, changed and withdrawn against the version before.
        reasons: those records by reason.
        files: of the new version, the adjustment last.
        failure: what went wrong, if anything.
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
    """Writes a new version of every day that is late_pending, and what it adjusts; one day's failure leaves the others.

    Returns:
        Sealed days that cannot be announced come first, as failed; then the late days.

    Raises:
        AccountNotFound: an account asked for is unknown.
        DayNotSealable: nobody answers for it, or there is no reason.
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
        with translated(), ledger.day_states.lock(account.account_id, business_date) as quiet:
            known = ledger.days.find(account.account_id, business_date)
            day = replace(day, version=known.version)
            if not (known.late_pending or request.replace_lost):
                return day
            if not quiet:
                return replace(day, outcome="refused")
            day = _restate(account, business_date, known, request, ledger=ledger, ctx=ctx)
        if day.outcome == "restated":
            publish_day(account.account_id, business_date, day.version, ledger, ctx)
    except Exception as error:  # noqa: BLE001 - one day's failure is that day's
        return replace(day, outcome="failed", failure=contained(account.account_id, f"day {business_date}", error))
    ctx.progress(f"{day.outcome} {account.account_id} {business_date}")
    return day


def _restate(
    account: Account, business_date: date, known: DayRecord, request: RestateRequest, *, ledger: Ledger, ctx: RunContext
) -> RestatedDay:
    """Writes the next version from the records, and the adjustment from the two versions' files."""
    before = {file.dialect: file for file in ledger.day_states.files(account.account_id, business_date, known.version)}
    old = _sealed_exact(before)
    old_path = ctx.settings.export_dir / old.path
    lost = request.replace_lost and hash_of(old_path) != old.sha256
    if not lost:
        require_bytes(old_path, old.sha256)
    if old.manifest is not None:
        # Whatever the account's zones are said to be now, the day keeps the bounds under which it was sealed.
        sealed = decode_manifest(old.manifest)
        own = EarlierZone(sealed.time_zone, business_date + timedelta(days=1))
        account = replace(account, time_zone=sealed.next_time_zone or sealed.time_zone, earlier_zones=(own,))
    version = known.version + 1
    written = write_version(
        account,
        business_date,
        known,
        ledger,
        ctx,
        version=version,
        state="restated",
        superseded={dialect: file.sha256 for dialect, file in before.items()},
    )
    found = None if lost else differences(old_path, written[0].path)
    if found is not None and not found.late_rows:
        for file in written:
            remove(file.path)
        ledger.day_states.record_unchanged(account.account_id, business_date, changes=known.changes)
        return RestatedDay(account.account_id, business_date, "unchanged", known.version)
    files, reasons = written, dict[str, int]()
    if found is not None:
        day = day_of(account, business_date, known, ledger, ctx, version=version, state="restated")
        adjustment = write_adjustment(
            found,
            exact=written[0],
            day=replace(day, supersedes=old.sha256),
            export_dir=ctx.settings.export_dir,
            announce=False,
        )
        reasons = adjustment.manifest.reasons
        files = [
            replace(file, manifest=replace(file.manifest, late_rows=found.late_rows)) for file in (*written, adjustment)
        ]
    for file in files:
        record_file(file, ledger, ctx, manifest=encode_manifest(file.manifest).decode())
    ledger.day_states.record_final(
        account_id=account.account_id,
        business_date=business_date,
        event="restated",
        version=version,
        changes=known.changes,
        actor=request.actor,
        reason=request.reason,
        overridden=["sealed_file_lost"] if lost else [],
        before_sha256=old.content_sha256,
        after_sha256=files[0].manifest.content_sha256,
        now=ctx.clock(),
        run_id=ctx.run_id,
    )
    if lost:
        ledger.sealed_files.record_lost_files(account.account_id, business_date, known.version, now=ctx.clock())
    return RestatedDay(
        account.account_id,
        business_date,
        "restated",
        version,
        late_rows=0 if found is None else found.late_rows,
        reasons=reasons,
        files=tuple(files),
    )


def _lost_days(accounts: Container[str], ledger: Ledger) -> list[tuple[str, date]]:
    """Days whose newest exact file a check found missing or changed."""
    return [
        (file.account_id, file.business_date)
        for file in ledger.sealed_files.faulty_files()
        if file.newest
        and file.dialect == ExportDialect.EXACT
        and file.fault in (FileFault.MISSING, FileFault.CHANGED)
        and file.account_id in accounts
    ]


def _sealed_exact(files: dict[str, ExportFile]) -> ExportFile:
    """The exact file that is superseded, as the ledger knows it."""
    old = files.get(ExportDialect.EXACT)
    if old is None:
        raise SealedFileDamaged("the ledger knows no exact file of the sealed version", hint="restore the warehouse")
    return old
