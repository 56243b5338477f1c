"""Records final files on disk in a ledger that lacks them, for example after a restore from an older backup.

A manifest on disk with the state sealed or restated was published and may have been delivered. It takes precedence over
the ledger.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.errors import CdrError, SealedFileDamaged
from cdr_pipeline.exports.daily_file import require_bytes
from cdr_pipeline.exports.dialects.registry import EXACT
from cdr_pipeline.exports.exact_csv import header
from cdr_pipeline.exports.final_files import FinalDay, FinalFile, final_days
from cdr_pipeline.exports.manifest import Manifest
from cdr_pipeline.exports.totals import ManifestTotals
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import DayEvent, DayRecord, ExportFile, Ledger

ACTOR: Final = "cdr_pipeline"
# Fault of a sealed file whose rows differ from the records in the warehouse.
RECORDS_DIFFER: Final = "records_differ"


@dataclass(frozen=True, slots=True)
class AdoptedDay:
    """Result for one account's day with final files on disk.

    Attributes:
        account_id, business_date: account and day.
        outcome: ``adopted``; ``known``, the ledger already has it; ``missing`` from the ledger, in a dry run;
            ``refused``, for the reasons in ``problems``.
        state: state of the day in its newest manifest.
        version: newest version on disk; 0 when no manifest is usable.
        files: number of manifests that the ledger lacked.
        problems: reasons why files could not be adopted, and faults of adopted files.
    """

    account_id: str
    business_date: date
    outcome: Literal["adopted", "known", "missing", "refused"]
    state: str
    version: int
    files: int
    problems: tuple[str, ...] = ()


def adopt_files(ctx: RunContext, accounts: Sequence[str] | None = None, *, dry_run: bool = False) -> list[AdoptedDay]:
    """Adopts every day with final files that the ledger lacks, in one transaction per day.

    Args:
        ctx: settings, warehouse, clock and progress callback.
        accounts: ids of accounts; those of all folders on disk when omitted.
        dry_run: whether to report the days without adopting them.

    Returns:
        Days that were adopted, would be adopted, or could not be, ordered by account and date. Days that the ledger
        already has are left out.
    """
    with ctx.ledger() as ledger:
        registered = {account.account_id for account in ledger.accounts.all()}
        result = (
            _adopt_day(day, registered, ledger, ctx, dry_run=dry_run)
            for day in final_days(ctx.settings.export_dir)
            if accounts is None or day.account_id in accounts
        )
        return [day for day in result if day.outcome != "known" or day.problems]


def same_records(account_id: str, business_date: date, manifest: Manifest, ledger: Ledger) -> bool:
    """Whether the records of a day in the warehouse produce the content of the exact file of a manifest.

    If this version writes other columns than the file has, only rows and totals are compared.
    """
    columns = names(exported_only=True)
    digest, control = hashlib.sha256(header()), ManifestTotals(columns)
    with closing(ledger.records.day_lines(account_id, business_date)) as contents:
        for lines in contents:
            digest.update(lines)
            control.add_lines(lines)
    if list(columns) == manifest.columns:
        return digest.hexdigest() == manifest.content_sha256
    return (control.rows, control.totals.as_json()) == (manifest.rows, manifest.totals)


def _adopt_day(day: FinalDay, accounts: set[str], ledger: Ledger, ctx: RunContext, *, dry_run: bool) -> AdoptedDay:
    problems = [f"{path.name}: {reason}" for path, reason in day.unusable]
    exact = [file for file in day.files if file.manifest.dialect == EXACT]
    newest = max(exact, key=lambda file: file.version, default=None)
    if newest is None:
        problems.append("no usable manifest of an exact file is on disk; the day stays as the ledger has it")
        return AdoptedDay(day.account_id, day.business_date, "refused", "", 0, 0, tuple(problems))
    result = AdoptedDay(day.account_id, day.business_date, "refused", newest.manifest.state, newest.version, 0)
    if day.account_id not in accounts:
        hint = f"'cdr-pipeline accounts add {day.account_id}', then 'cdr-pipeline days adopt'"
        return _with(result, problems=[*problems, f"the ledger does not know the account: {hint}"])
    try:
        with ledger.day_states.lock(day.account_id, day.business_date):
            record = ledger.days.find(day.account_id, day.business_date)
            new, conflicts = _new_files(day, record, ledger)
            problems += conflicts
            behind = record.state == "open" or record.version < newest.version
            if not new and not behind:
                return _with(result, outcome="known", problems=problems)
            if dry_run:
                return _with(result, outcome="missing", files=len(new), problems=problems)
            if behind:
                _record_state(newest, record, ledger, ctx)
            for file in new:
                _record_file(file, ledger, ctx)
            if behind:
                published = (day.account_id, day.business_date, newest.version)
                ledger.day_states.record_published([published], now=ctx.clock())
                problems += _compare(newest, ledger, ctx)
    except CdrError as error:
        failure = AccountFailure.of(day.account_id, error)
        return _with(result, problems=[*problems, failure.message])
    ctx.progress(f"adopted {day.account_id} {day.business_date}")
    return _with(result, outcome="adopted", files=len(new), problems=[*problems, *_damage(new)])


def _with(
    day: AdoptedDay,
    *,
    problems: Sequence[str],
    outcome: Literal["adopted", "known", "missing", "refused"] = "refused",
    files: int = 0,
) -> AdoptedDay:
    return AdoptedDay(
        day.account_id, day.business_date, outcome, day.state, day.version, files, tuple(problems)
    )  # fmt: skip


def _new_files(day: FinalDay, record: DayRecord, ledger: Ledger) -> tuple[list[FinalFile], list[str]]:
    """Files that the ledger lacks, and messages about files for which it has another manifest."""
    versions = {file.version for file in day.files}
    listed = {
        (file.version, file.dialect): file
        for version in versions
        for file in ledger.day_states.files(day.account_id, day.business_date, version)
    }
    new: list[FinalFile] = []
    conflicts: list[str] = []
    for file in day.files:
        entry = listed.get((file.version, file.manifest.dialect))
        if entry is None or entry.manifest is None or record.state == "open":
            new.append(file)
        elif entry.manifest != file.text:
            conflicts.append(
                f"{file.path.name}: the manifest on disk is not the one that the ledger announced; "
                "'cdr-pipeline days repair' writes that one again"
            )
    return new, conflicts


def _record_state(newest: FinalFile, record: DayRecord, ledger: Ledger, ctx: RunContext) -> None:
    manifest = newest.manifest
    final = DayEvent(
        event="sealed" if manifest.state == "sealed" else "restated",
        version=newest.version,
        actor=ACTOR,
        reason=f"adopted on {ctx.clock():%Y-%m-%d} from the manifest on disk",
        overridden=[],
        before_sha256=None,
        after_sha256=manifest.content_sha256,
        happened_at=datetime.fromisoformat(manifest.created_utc),
        run_id=ctx.run_id,
    )
    business_date = date.fromisoformat(manifest.business_date)
    ledger.day_states.record_final(manifest.account_id, business_date, final, changes=record.changes)


def _record_file(file: FinalFile, ledger: Ledger, ctx: RunContext) -> None:
    manifest = file.manifest
    recorded = ExportFile(
        account_id=manifest.account_id,
        business_date=date.fromisoformat(manifest.business_date),
        version=file.version,
        dialect=manifest.dialect,
        path=str(file.path.relative_to(ctx.settings.export_dir)),
        sha256=manifest.sha256,
        content_sha256=manifest.content_sha256,
        size=manifest.bytes,
        rows=manifest.rows,
        manifest=file.text,
    )
    ledger.days.record_file(recorded, now=ctx.clock())


def _compare(newest: FinalFile, ledger: Ledger, ctx: RunContext) -> Iterator[str]:
    """Records a fault if the rows of the sealed file differ from the warehouse. The day is not restated."""
    manifest = newest.manifest
    business_date = date.fromisoformat(manifest.business_date)
    if same_records(manifest.account_id, business_date, manifest, ledger):
        return
    ledger.sealed_files.record_file_fault(
        manifest.account_id, business_date, newest.version, manifest.dialect, RECORDS_DIFFER, now=ctx.clock()
    )
    yield (
        f"the warehouse has other records than the sealed file with its {manifest.rows} rows: "
        f"'cdr-pipeline collect --replay --date {business_date}', and import the uploads of that day again"
    )


def _damage(files: Sequence[FinalFile]) -> Iterator[str]:
    for file in files:
        try:
            require_bytes(file.path, file.manifest.sha256)
        except SealedFileDamaged as error:
            yield error.message
