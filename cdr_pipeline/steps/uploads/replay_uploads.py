"""Second tries: reads a file again with the same profile or another one, and withdraws what the first reading merged.

Everything happens in one transaction per file. The history keeps records that are withdrawn, and their days count as
changed: open days get new files, sealed days are late, and reconciliations of these days are repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import uuid4

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.core.uploads.series import series_position
from cdr_pipeline.errors import UnreadableUpload, UploadHeld, UploadSealed
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.held_uploads import require_new
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload, loaded_upload, stage_upload, upload_batch
from cdr_pipeline.steps.uploads.upload_batch import UploadBatch
from cdr_pipeline.warehouse.ledger import Account, LandedUpload, Ledger, UploadLine
from cdr_pipeline.warehouse.records.batch import BatchHeader, LoadedBatch
from cdr_pipeline.warehouse.records.loading import retried_load


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """How a file is read again.

    Attributes:
        upload: the upload.
        profile: another profile; that of the upload when omitted.
        time_zone: IANA zone of local times; that of the first reading when omitted.
        decided_by: person responsible for another profile.
    """

    upload: UploadLine
    profile: str | None = None
    time_zone: str | None = None
    decided_by: str | None = None

    @property
    def name(self) -> str:
        """Name of the profile that reads the file."""
        return self.profile or self.upload.profile


@dataclass(frozen=True, slots=True)
class ReplayedUpload:
    """Result of reading a file again.

    Attributes:
        upload: result of this reading.
        before: lines by class of the previous reading; None if nothing was loaded.
        withdrawn: number of records of earlier readings that this one does not contain; the history keeps them.
    """

    upload: LoadedUpload
    before: BatchCounts | None
    withdrawn: int


def replay_upload(request: ReplayRequest, ctx: RunContext) -> ReplayedUpload:
    """Reads a file again from landing, in one transaction.

    With the profile of the upload, records with new values are updated and their earlier versions kept, and rejects
    that are valid now are closed. With another profile, the file becomes an upload of its own and the first one is
    discarded. Either way, records of the earlier reading that this one does not contain are withdrawn.

    Raises:
        UnknownProfile, InvalidProfile: the profile does not exist or is invalid.
        UnreadableUpload: the upload cannot be replayed, or its file cannot be read with the profile; nothing changed.
        UploadHeld: with another profile, the records repeat those of another file; nothing changed.
        UnbalancedBatch: a line is not accounted for; nothing changed.
    """
    upload = request.upload
    load_profile(request.name, folder=ctx.settings.profile_dir)
    with ctx.ledger() as ledger:
        (account,) = ledger.accounts.active([upload.account_id])
        before = ledger.uploads.find(upload.account_id, upload.sha256)
        again = before is not None and before.state == "loaded" and request.name == upload.profile
        landed = LandedUpload(
            upload.account_id,
            upload.sha256 if again else _reading_id(request, ledger),
            request.name,
            request.time_zone or upload.time_zone,
            upload.file_name,
            upload.landing_path,
            corrects=upload.corrects,
            released=again,
            content_sha256=upload.content_sha256,
        )
        read = _read_again if again else _read_anew
        batch, loaded = retried_load(read, request, landed, account, ledger, ctx)
    counts = None if before is None else before.counts
    return ReplayedUpload(loaded_upload(landed, batch, loaded), counts, batch.load.withdrawn)


def withdraw_upload(upload: UploadLine, ctx: RunContext, *, decided_by: str) -> frozenset[date]:
    """Discards a loaded upload and withdraws its records, in one transaction. Its bytes stay in landing.

    Returns:
        Business dates whose legs changed.

    Raises:
        UploadSealed: a sealed day has records of the upload; nothing changed.
    """
    with ctx.ledger() as ledger:
        (account,) = ledger.accounts.active([upload.account_id])
        return retried_load(_withdraw, upload, account, ledger, ctx, decided_by)


def _withdraw(
    upload: UploadLine, account: Account, ledger: Ledger, ctx: RunContext, decided_by: str
) -> frozenset[date]:
    header = BatchHeader(account.account_id, uuid4(), "upload", upload.sha256, ctx.clock(), run_id=ctx.run_id)
    with ledger.transaction():
        with ledger.records.load_batch(header) as load:
            uploads = ledger.uploads.with_corrections(account.account_id, upload.sha256)
            repeating = ledger.uploads.repeating(account.account_id, uploads)
            completing = ledger.uploads.completing(account.account_id, uploads)
            load.withdraw(uploads)
            load.rejects.close_withdrawn(uploads, decided_by)
            touched = load.finish(read=0).touched
        _discard(upload, ledger, ctx, decided_by=decided_by, message=None)
        touched |= _read_completing(completing, account, ledger, ctx)
        sealed = ledger.accounts.final_days(account.account_id, sorted(touched))
        if sealed:
            days = ", ".join(map(str, sorted(sealed)[:5])) + (", ..." if len(sealed) > 5 else "")  # noqa: PLR2004
            raise UploadSealed(
                f"{upload.file_name} cannot be discarded: "
                f"{count_of(len(sealed), 'sealed day has', 'sealed days have')} records of it: {days}",
                hint=f"'cdr-pipeline uploads replay {upload.sha256[:12]} --profile PROFILE' reads the file with another"
                " profile; sealed days are then late and can be restated",
            )
        _read_repeating(repeating if load.withdrawn else [], account, ledger, ctx)
    return touched


def _reading_id(request: ReplayRequest, ledger: Ledger) -> str:
    """Id of the upload of the same bytes with the profile.

    Raises:
        UnreadableUpload: the upload cannot be read with it.
    """
    upload, name = request.upload, request.name
    if upload.corrects:
        raise UnreadableUpload(
            f"{upload.file_name} corrects rejected lines of another upload",
            hint=f"replay that upload: {upload.corrects[:12]}",
        )
    if upload.state != "refused" and name == upload.profile and request.profile is None:
        raise UnreadableUpload(
            f"{upload.file_name} (upload {upload.sha256[:12]}) is {upload.state}, not loaded",
            hint="'cdr-pipeline uploads release' loads a held file; --profile reads any file with that profile",
        )
    upload_id = ledger.uploads.upload_id(upload.account_id, upload.content_sha256, name)
    present = ledger.uploads.find(upload.account_id, upload_id)
    if present is not None and present.state == "loaded":
        raise UnreadableUpload(
            f"{upload.file_name} is already loaded with profile {name}, as upload {upload_id[:12]}",
            hint=f"to withdraw the other reading: cdr-pipeline uploads discard {upload.sha256[:12]} --by NAME",
        )
    return upload_id


def _read_again(
    request: ReplayRequest, landed: LandedUpload, account: Account, ledger: Ledger, ctx: RunContext
) -> tuple[UploadBatch, LoadedBatch]:
    """Reads a loaded upload with its own profile, as it is now."""
    with ledger.transaction():
        with upload_batch(landed, account, ledger, ctx) as batch:
            stage_upload(landed, batch)
            batch.load.close_replayed_rejects()
            repeating = ledger.uploads.repeating(account.account_id, [request.upload.sha256])
            batch.load.withdraw([request.upload.sha256])
            loaded = batch.load.finish(read=batch.read, filtered=batch.filtered.total())
        _read_repeating(repeating if batch.load.withdrawn else [], account, ledger, ctx)
    return batch, loaded


def _read_anew(
    request: ReplayRequest, landed: LandedUpload, account: Account, ledger: Ledger, ctx: RunContext
) -> tuple[UploadBatch, LoadedBatch]:
    """Reads a file with another profile in place of the first reading, or a refused one."""
    first = request.upload
    profile = load_profile(landed.profile, folder=ctx.settings.profile_dir)
    position = series_position(first.file_name, profile.control)
    repeating: Sequence[LandedUpload] = []
    completing: Sequence[LandedUpload] = []
    with ledger.transaction():
        ledger.uploads.record_reading(first, landed, now=ctx.clock())
        ledger.uploads.record_name(
            account_id=account.account_id,
            sha256=landed.sha256,
            file_name=first.file_name,
            profile=landed.profile,
            file_date=position.file_date,
            file_sequence=position.sequence,
            now=ctx.clock(),
        )
        with upload_batch(landed, account, ledger, ctx) as batch:
            if landed.sha256 != first.sha256:
                uploads = ledger.uploads.with_corrections(account.account_id, first.sha256)
                repeating = ledger.uploads.repeating(account.account_id, uploads)
                completing = ledger.uploads.completing(account.account_id, uploads)
                batch.load.withdraw(uploads)
                batch.load.rejects.close_withdrawn(uploads, request.decided_by)
                message = f"read again with profile {landed.profile}, as upload {landed.sha256[:12]}"
                _discard(first, ledger, ctx, decided_by=request.decided_by, message=message)
            stage_upload(landed, batch)
            try:
                require_new(landed, batch, ledger)
            except UploadHeld as error:
                raise UploadHeld(
                    f"{error.message}; nothing changed",
                    overlap_rows=error.overlap_rows,
                    other_calls=error.other_calls,
                    hint=f"to decide about it: cdr-pipeline uploads discard {first.sha256[:12]} --by NAME, then import"
                    f" the file with --profile {landed.profile} and release it",
                ) from None
            loaded = batch.load.finish(read=batch.read, filtered=batch.filtered.total())
        _read_completing(completing, account, ledger, ctx)
        _read_repeating(repeating if batch.load.withdrawn else [], account, ledger, ctx)
    return batch, loaded


def _discard(
    upload: UploadLine, ledger: Ledger, ctx: RunContext, *, decided_by: str | None, message: str | None
) -> None:
    ledger.uploads.discard(
        account_id=upload.account_id, sha256=upload.sha256, decided_by=decided_by, message=message, now=ctx.clock()
    )


def _read_repeating(uploads: Sequence[LandedUpload], account: Account, ledger: Ledger, ctx: RunContext) -> None:
    """Reads other files that may have withdrawn records too, so that no record of theirs is lost."""
    for upload in uploads:
        with upload_batch(replace(upload, released=True), account, ledger, ctx) as batch:
            stage_upload(upload, batch)
            batch.load.finish(read=batch.read, filtered=batch.filtered.total())


def _read_completing(
    uploads: Sequence[LandedUpload], account: Account, ledger: Ledger, ctx: RunContext
) -> frozenset[date]:
    """Reads files again that completed calls of withdrawn files: such calls are withdrawn, their rows are rejected.

    Returns:
        Business dates whose legs changed.
    """
    touched = frozenset[date]()
    for upload in uploads:
        with upload_batch(replace(upload, released=True), account, ledger, ctx) as batch:
            stage_upload(upload, batch)
            batch.load.close_replayed_rejects()
            batch.load.withdraw([upload.sha256])
            touched |= batch.load.finish(read=batch.read, filtered=batch.filtered.total()).touched
    return touched
