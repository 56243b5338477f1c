"""Repairs sealed files that are missing or changed: from a delivery target, else from the warehouse's records.

A file is replaced only by exactly the bytes that were sealed. If neither source has them, the day can be restated.
"""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal

from cdr_pipeline.errors import CdrError, DeliveryError, ExportError
from cdr_pipeline.exports.adjustment import differences, write_adjustment
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, publish, write_daily_file
from cdr_pipeline.exports.delivery.targets import Target, load_targets
from cdr_pipeline.exports.dialects.registry import ADJUSTMENT, EXACT, dialect_named
from cdr_pipeline.exports.manifest import Manifest, decode_manifest
from cdr_pipeline.exports.renditions import write_rendition
from cdr_pipeline.exports.repair import delivered_copy, local_copy, restore_file, set_manifest_aside
from cdr_pipeline.steps.days.sealed_files import FileFault, check_day, check_sealed_files, hash_of
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import ExportFile, Ledger, SealedFile

# The exact file is repaired first, because the other files are made from it.
_ORDER: Final = {EXACT: 0, ADJUSTMENT: 2}


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """Which days to repair.

    Attributes:
        business_dates: days to repair, after a check of each file's hash, including files recorded as lost; every day
            with a recorded fault when omitted.
        accounts: ids of accounts to repair; all when omitted.
    """

    business_dates: Sequence[date] | None = None
    accounts: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class RepairedFile:
    """Result for one sealed file.

    Attributes:
        account_id, business_date, path: account, day and path of the file.
        fault: fault that the check result.
        outcome: ``put_back`` from a delivery target; ``rewritten`` from the warehouse; ``announced`` again, when only
            the manifest or SHA256SUMS was wrong; ``lost``.
        detail: source of the bytes, or the next step.
    """

    account_id: str
    business_date: date
    path: str
    fault: str
    outcome: Literal["put_back", "rewritten", "announced", "lost"]
    detail: str = ""


def repair_files(request: RepairRequest, ctx: RunContext) -> list[RepairedFile]:
    """Checks sealed files and repairs those with faults. A file that cannot be repaired does not affect the others.

    Raises:
        ConfigurationError: the targets file is invalid.
    """
    targets = load_targets(ctx.settings.targets_file)
    with ctx.ledger() as ledger:
        accounts = {account.account_id for account in ledger.accounts.all()}
        wanted = accounts if request.accounts is None else set(request.accounts)
    check_sealed_files(ctx)
    for day in request.business_dates or ():
        for account_id in sorted(wanted):
            check_day(account_id, day, ctx)
    with ctx.ledger() as ledger:
        faulty = [
            file
            for file in ledger.sealed_files.faulty_files()
            if file.account_id in wanted
            and (request.business_dates is None or file.business_date in request.business_dates)
            and file.fault != FileFault.RECORDS_DIFFER
        ]
        # A copy of a lost file may turn up later. It is searched when its day is named.
        faulty += [
            file
            for file in ledger.sealed_files.lost_files()
            if file.account_id in wanted and file.business_date in (request.business_dates or ())
        ]
        faulty.sort(key=lambda file: (file.account_id, file.business_date, file.version, _rank(file.dialect)))
        repaired = [_repair(file, targets, ledger, ctx) for file in faulty]
    check_sealed_files(ctx)
    return repaired


def _rank(dialect: str) -> int:
    return _ORDER.get(dialect, 1)


def _repair(file: SealedFile, targets: Sequence[Target], ledger: Ledger, ctx: RunContext) -> RepairedFile:
    result = RepairedFile(file.account_id, file.business_date, file.path, file.fault or "", "lost")
    path = ctx.settings.export_dir / file.path
    try:
        with ledger.day_states.lock(file.account_id, file.business_date):
            entries = ledger.day_states.files(file.account_id, file.business_date, file.version)
            entry = next(item for item in entries if item.dialect == file.dialect)
            if entry.manifest is None:
                return replace(result, detail="the ledger has no manifest of it: 'cdr-pipeline days adopt'")
            if hash_of(path) == file.sha256:
                result = replace(result, outcome="announced")
            elif (target := _from_target(file, path, targets)) is not None:
                result = replace(result, outcome="put_back", detail=f"from target {target}")
            elif _from_records(file, path, entry, ledger, ctx):
                result = replace(result, outcome="rewritten", detail="from the warehouse")
            else:
                return replace(result, detail=_next_step(file))
            set_manifest_aside(path, entry.manifest.encode(), file.sha256)
            publish(path, file.sha256, entry.manifest.encode())
            ledger.sealed_files.record_found_file(file)
            ledger.sealed_files.record_file_fault(
                file.account_id, file.business_date, file.version, file.dialect, None, now=ctx.clock()
            )
    except CdrError as error:
        return replace(result, outcome="lost", detail=f"{error.message}; {error.hint}" if error.hint else error.message)
    ctx.progress(f"repaired {file.path}")
    return result


def _next_step(file: SealedFile) -> str:
    copy = f"no target and no record gives the bytes with sha256 {file.sha256}: put the file back from a copy of yours"
    if file.lost_at is not None:
        return f"recorded as lost on {file.lost_at:%Y-%m-%d}, replaced by version {file.day_version}; {copy}"
    if not file.newest:
        return copy
    return (
        f"{copy}, or 'cdr-pipeline days restate --replace-lost --account {file.account_id} "
        f"--date {file.business_date} --by NAME --reason WHY'"
    )


def _from_target(file: SealedFile, path: Path, targets: Sequence[Target]) -> str | None:
    """Restores the file from a target. Returns the name of the target that had the sealed bytes, else None."""
    for target in targets:
        if target.accounts and file.account_id not in target.accounts:
            continue
        try:
            with delivered_copy(target, file.path) as copy:
                if copy is not None and restore_file(path, file.sha256, copy):
                    return target.name
        except DeliveryError:
            continue
    return None


def _from_records(file: SealedFile, path: Path, entry: ExportFile, ledger: Ledger, ctx: RunContext) -> bool:
    """Restores the file from the records or the day's other files. Returns whether the bytes match."""
    manifest = decode_manifest(entry.manifest or "")
    # The folder is private, because the rows contain personal data.
    with tempfile.TemporaryDirectory(prefix=".repair-", dir=ctx.settings.local_dir) as folder:
        try:
            made = _made_again(file, manifest, Path(folder), ledger, ctx)
        except ExportError:
            return False
        return made is not None and restore_file(path, file.sha256, local_copy(made.path))


def _made_again(
    file: SealedFile, manifest: Manifest, folder: Path, ledger: Ledger, ctx: RunContext
) -> WrittenFile | None:
    day = DailyFile(
        account_id=file.account_id,
        business_date=file.business_date,
        version=file.version,
        time_zone=manifest.time_zone,
        watermark_utc=None,
        rejected_rows=0,
        run_id=None,
        created_utc=datetime.fromisoformat(manifest.created_utc),
        compression=_packing(manifest, ledger, file),
    )
    if file.dialect == EXACT:
        with closing(ledger.records.day_lines(file.account_id, file.business_date)) as contents:
            return write_daily_file(contents, day=day, export_dir=folder, announce=False)
    exact = _exact(file.account_id, file.business_date, file.version, ledger, ctx)
    if exact is None:
        return None
    if file.dialect != ADJUSTMENT:
        key = ctx.settings.redaction_key.get_secret_value() if ctx.settings.redaction_key else None
        return write_rendition(file.dialect, exact, day=day, export_dir=folder, redaction_key=key, announce=False)
    before = _exact(file.account_id, file.business_date, file.version - 1, ledger, ctx)
    if before is None:
        return None
    changes = differences(before.path, exact.path)
    return write_adjustment(changes, exact=exact, day=day, export_dir=folder, announce=False)


def _packing(manifest: Manifest, ledger: Ledger, file: SealedFile) -> Literal["none", "gzip", "zstd"]:
    """Compression of the day's CSV files. The manifest of a workbook or a Parquet file does not contain it."""
    if dialect_named(file.dialect).is_text:
        return manifest.compression
    entries = ledger.day_states.files(file.account_id, file.business_date, file.version)
    exact = next((item.manifest for item in entries if item.dialect == EXACT), None)
    return decode_manifest(exact).compression if exact else "none"


def _exact(account_id: str, business_date: date, version: int, ledger: Ledger, ctx: RunContext) -> WrittenFile | None:
    """The exact file of a version, if it is on disk with the sealed bytes."""
    entries = ledger.day_states.files(account_id, business_date, version)
    entry = next((item for item in entries if item.dialect == EXACT), None)
    if entry is None or entry.manifest is None:
        return None
    path = ctx.settings.export_dir / entry.path
    if hash_of(path) != entry.sha256:
        return None
    return WrittenFile(path, decode_manifest(entry.manifest), changed=False)
