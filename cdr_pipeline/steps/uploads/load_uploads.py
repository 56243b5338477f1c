"""Loads landed files: parses by profile, normalises, validates, merges as ``imported``, accounts for every line."""

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from uuid import uuid4

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.errors import CdrError, UnreadableUpload, UploadDiscarded, UploadHeld, ValueNotStorable
from cdr_pipeline.sources.uploads.corrections import read_correction
from cdr_pipeline.sources.uploads.date_order import with_date_order
from cdr_pipeline.sources.uploads.parse import read_ahead, read_upload
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.sources.uploads.reject_reasons import RejectReason
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.operations.clocks import require_clock
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.held_uploads import HELD_HINT, discarded_before, require_new
from cdr_pipeline.steps.uploads.register_uploads import RegisteredFile, UploadRequest, register_upload
from cdr_pipeline.steps.uploads.upload_batch import UploadBatch, in_zone
from cdr_pipeline.warehouse.ledger import Account, LandedUpload, Ledger
from cdr_pipeline.warehouse.records.batch import BatchHeader, LoadedBatch
from cdr_pipeline.warehouse.records.loading import retried_load


@dataclass(frozen=True, slots=True)
class LoadedUpload:
    """Result of loading a file.

    Attributes:
        account_id: account that owns the records.
        file_name: original name of the file, for display.
        sha256: id of the upload.
        profile: name of the import profile.
        counts: lines by class; they balance.
        reject_reasons: rejected lines by reason code.
        filtered_reasons: lines that are not records, by kind.
        touched: business dates with changed records.
        known: whether the same bytes were loaded before; the counts are then those of the first load.
        open_rejects: rejected lines that were not corrected since.
        details: rejected lines by reason and field; empty if the file is known.
    """

    account_id: str
    file_name: str
    sha256: str
    profile: str
    counts: BatchCounts
    reject_reasons: dict[str, int]
    filtered_reasons: dict[str, int]
    touched: frozenset[date]
    known: bool = False
    open_rejects: int = 0
    details: tuple[RejectReason, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedUploads:
    """Result for all landed files: loaded files, failures of files that could not be read, and held files."""

    files: tuple[LoadedUpload, ...]
    failures: tuple[AccountFailure, ...]
    held: tuple[AccountFailure, ...] = ()

    @property
    def counts(self) -> BatchCounts:
        """Lines by class over all files."""
        return sum((file.counts for file in self.files), BatchCounts())

    @property
    def reject_reasons(self) -> dict[str, int]:
        """Rejected lines by reason over all files."""
        total: Counter[str] = Counter()
        for file in self.files:
            total.update(file.reject_reasons)
        return dict(sorted(total.items()))

    @property
    def touched(self) -> frozenset[date]:
        """Business dates with changed records."""
        return frozenset[date]().union(*(file.touched for file in self.files))


def load_uploads(ctx: RunContext, accounts: Sequence[str] | None = None) -> LoadedUploads:
    """Merges every landed file, one transaction each.

    A file that cannot be read is recorded as refused. A file that repeats records of another file is held. After an
    unexpected exception the file stays landed, and the next call tries it again.

    Raises:
        AccountNotFound: a requested account is not registered.
        ClockDisagrees: this machine's clock differs from the warehouse's; today's calls could be rejected as future
            calls.
    """
    files: list[LoadedUpload] = []
    failures: list[AccountFailure] = []
    held: list[AccountFailure] = []
    with ctx.ledger() as ledger:
        require_clock(ledger, ctx)
        registered = {account.account_id: account for account in ledger.accounts.active(accounts)}
        for upload in ledger.uploads.landed(list(registered)):
            try:
                files.append(retried_load(_load, upload, registered[upload.account_id], ledger, ctx))
            except UploadDiscarded:
                continue
            except UploadHeld as error:
                held.append(AccountFailure.of(upload.account_id, error))
            except CdrError as error:
                failures.append(AccountFailure.of(upload.account_id, error))
            except Exception as error:  # noqa: BLE001 - one file's failure must not stop the others
                file = f"{upload.file_name} ({upload.sha256[:12]})"
                failures.append(AccountFailure.of_fault(upload.account_id, file, error))
    return LoadedUploads(tuple(files), tuple(failures), tuple(held))


def import_upload(request: UploadRequest, ctx: RunContext) -> LoadedUpload:
    """Registers one file and loads it in one transaction. Importing the same bytes again returns the first result.

    Raises:
        UnknownProfile, InvalidProfile: the profile does not exist or is invalid.
        AccountNotFound: the account is not registered.
        UnreadableUpload: the file cannot be opened or decoded, or its control totals differ from its content; it is
            recorded as refused.
        UploadHeld: the file repeats records of another file and needs a decision.
        UnbalancedBatch: a line is not accounted for; nothing was merged.
    """
    registered = register_upload(request, ctx)
    return load_registered(registered, ctx)


def load_registered(registered: RegisteredFile, ctx: RunContext) -> LoadedUpload:
    """Loads a registered file. Raises the errors of ``import_upload``, and ClockDisagrees."""
    with ctx.ledger() as ledger:
        require_clock(ledger, ctx)
        (account,) = ledger.accounts.active([registered.account_id])
        if registered.known:
            return _as_before(account, registered.sha256, ledger)
        landed = ledger.uploads.landed([account.account_id])
        waiting = [item for item in landed if item.sha256 == registered.sha256]
        if waiting:
            return retried_load(_load, waiting[0], account, ledger, ctx)
        before = ledger.uploads.find(account.account_id, registered.sha256)
        if before is not None and before.state == "loaded":
            return _as_before(account, registered.sha256, ledger)
        if before is not None and before.state == "held":
            message = before.error_message or f"{registered.file_name} is held"
            raise UploadHeld(
                message, overlap_rows=before.overlap_rows or 0, other_calls=before.other_calls or 0, hint=HELD_HINT
            )
        raise discarded_before(registered.file_name)


def _load(upload: LandedUpload, account: Account, ledger: Ledger, ctx: RunContext) -> LoadedUpload:
    try:
        with upload_batch(upload, account, ledger, ctx) as batch:
            # Another process may have loaded the file while this one waited for the account's lock.
            before = ledger.uploads.find(account.account_id, upload.sha256)
            if before is not None and before.state == "loaded":
                return _as_before(account, upload.sha256, ledger)
            if before is not None and before.state == "discarded":
                raise UploadDiscarded(f"{upload.file_name} was discarded")  # noqa: TRY301 - rolls the batch back
            stage_upload(upload, batch)
            if upload.corrects is None:
                require_new(upload, batch, ledger)
            loaded = batch.load.finish(read=batch.read, filtered=batch.filtered.total())
    except UploadDiscarded:
        raise
    except UploadHeld as error:
        ledger.uploads.record_held(
            account_id=account.account_id,
            sha256=upload.sha256,
            overlap_rows=error.overlap_rows,
            other_calls=error.other_calls,
            error_code=error.code,
            error_message=error.message,
        )
        raise
    except (UnreadableUpload, ValueNotStorable) as error:
        ledger.uploads.record_refused(
            account_id=account.account_id,
            sha256=upload.sha256,
            error_code=error.code,
            error_message=error.message,
        )
        raise
    ctx.progress(f"imported {upload.file_name}")
    return loaded_upload(upload, batch, loaded)


@contextmanager
def upload_batch(upload: LandedUpload, account: Account, ledger: Ledger, ctx: RunContext) -> Generator[UploadBatch]:
    """A batch for an upload, in one transaction, with the profile as it is now."""
    zoned = in_zone(load_profile(upload.profile, folder=ctx.settings.profile_dir), upload.time_zone)
    # Corrected lines have the date of the file in which they were rejected.
    corrected = None if upload.corrects is None else ledger.uploads.find(account.account_id, upload.corrects)
    profile = replace(zoned, file_name=upload.file_name if corrected is None else corrected.file_name)
    header = BatchHeader(account.account_id, uuid4(), "upload", upload.sha256, ctx.clock(), run_id=ctx.run_id)
    with ledger.records.load_batch(header) as load:
        yield UploadBatch(ledger.accounts.reread_account(account), profile, load, ctx, upload.corrects)


def stage_upload(upload: LandedUpload, batch: UploadBatch) -> None:
    """Reads an upload from landing and stages its records."""
    path = batch.ctx.settings.landing_dir / upload.landing_path
    with _errors_name(upload.file_name, path):
        if upload.corrects is None:
            profile = batch.profile = with_date_order(path, batch.profile)
            batch.add_all(read_ahead(path, profile))
            batch.settle(lambda: read_upload(path, profile))
            return
        correction = read_correction(path, batch.profile)
        batch.add(correction.records)
        batch.settle(lambda: [correction.records])
        batch.load.rejects.close_corrected(upload.corrects, correction.lines)


@contextmanager
def _errors_name(file_name: str, path: Path) -> Generator[None]:
    """Errors name the file as it was received, not as landing stores it, where it has a hash as its name."""
    try:
        yield
    except UnreadableUpload as error:
        error.message = error.message.replace(path.name, file_name)
        error.args = (error.message,)
        raise


def loaded_upload(upload: LandedUpload, batch: UploadBatch, loaded: LoadedBatch) -> LoadedUpload:
    """Result of a batch that is loaded."""
    return LoadedUpload(
        account_id=upload.account_id,
        file_name=upload.file_name,
        sha256=upload.sha256,
        profile=upload.profile,
        counts=loaded.counts,
        reject_reasons=batch.reject_reasons,
        filtered_reasons=batch.filtered_reasons,
        touched=loaded.touched,
        open_rejects=loaded.counts.rejected,
        details=batch.details.listed(),
    )


def _as_before(account: Account, sha256: str, ledger: Ledger) -> LoadedUpload:
    before = ledger.uploads.find(account.account_id, sha256)
    if before is None or before.counts is None:
        raise UnreadableUpload(f"upload {sha256[:12]} is on record as loaded, but its batch is missing")
    return LoadedUpload(
        account_id=account.account_id,
        file_name=before.file_name,
        sha256=sha256,
        profile=before.profile,
        counts=before.counts,
        reject_reasons=ledger.uploads.reject_reasons_of(account.account_id, sha256),
        filtered_reasons={},
        touched=frozenset(),
        known=True,
        open_rejects=ledger.uploads.rejects(account.account_id, sha256).height,
    )
