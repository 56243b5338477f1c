"""Uploads over the API: loads a file at once and returns its counts. Requests can carry an idempotency key."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.errors import UploadHeld
from cdr_pipeline.sources.uploads.documents import require_json
from cdr_pipeline.sources.uploads.opening import text_pieces
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.sources.uploads.recognition import usual_profile
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.decide_uploads import discard_upload, release_upload
from cdr_pipeline.steps.uploads.exported_upload import export_upload
from cdr_pipeline.steps.uploads.load_uploads import load_registered
from cdr_pipeline.steps.uploads.preview_upload import preview_upload
from cdr_pipeline.steps.uploads.register_uploads import RegisteredFile, UploadRequest, register_upload
from cdr_pipeline.warehouse.ledger import UploadLine
from cdr_pipeline.warehouse.uploads.idempotent_responses import StoredResponse

_CHUNK: Final = 1024 * 1024
_LISTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A received file in a folder of its own.

    Attributes:
        path: path of the file; its name is displayed.
        account_id: account that owns the records.
        form: form of its contents.
        profile: name of the import profile; told by the contents when omitted.
        time_zone: IANA zone of local times; the profile's, else the account's, when omitted.
        dry_run: whether to return a preview without loading the file.
        key: Idempotency-Key of the client; None without one.
        later: whether the file is only landed, to be loaded by the caller in the background.
    """

    path: Path
    account_id: str
    form: Literal["csv", "json"]
    profile: str | None = None
    time_zone: str | None = None
    dry_run: bool = False
    key: str | None = None
    later: bool = False


@dataclass(frozen=True, slots=True)
class UploadReply:
    """Response to the client.

    Attributes:
        outcome: ``created``; ``accepted`` (landed, not loaded yet); ``known`` (the same bytes were loaded before);
            ``previewed``; ``held`` (needs a decision); ``working`` (a request with the same key is running);
            ``other`` (the key was used for another request).
        data: counts by class, reasons, touched days, and the upload's id.
        repeated: whether this is the stored response to the same key.
        registered: the file of an accepted upload, to be loaded.
    """

    outcome: Literal["created", "accepted", "known", "previewed", "held", "working", "other"]
    data: dict[str, Any]
    repeated: bool = False
    registered: RegisteredFile | None = None


def receive_upload(received: ReceivedFile, ctx: RunContext) -> UploadReply:
    """Loads the file in one transaction, or returns the stored response to the same idempotency key.

    Raises:
        UnknownProfile, InvalidProfile, AccountNotFound, UnreadableUpload, UnbalancedBatch: as ``import_upload``.
    """
    profile = received.profile or usual_profile(received.path, received.form)
    if received.key is None or received.dry_run:
        return _loaded(received, profile, ctx)
    fingerprint = _fingerprint(received, profile)
    with ctx.ledger() as ledger:
        responses = ledger.responses
        claim = responses.begin(
            account_id=received.account_id, key=received.key, fingerprint=fingerprint, now=ctx.clock()
        )
        if isinstance(claim, StoredResponse):
            if claim.state != "done" or claim.answer is None:
                return UploadReply("other" if claim.state == "other" else "working", {})
            return UploadReply(claim.answer["outcome"], claim.answer["data"], repeated=True)
        try:
            reply = _loaded(received, profile, ctx)
        except BaseException:
            responses.release(claim)
            raise
        responses.finish(claim, status=0, answer={"outcome": reply.outcome, "data": reply.data})
    return reply


def decide_received_upload(
    account_id: str, upload_id: str, decision: Literal["release", "discard"], decided_by: str, ctx: RunContext
) -> None:
    """Releases a held upload and writes the daily files of open days, or discards it.

    Raises:
        UnreadableUpload: the upload does not exist or is not held.
    """
    if decision == "discard":
        discard_upload(upload_id, ctx, decided_by=decided_by, account_id=account_id)
        return
    export_upload(release_upload(upload_id, ctx, decided_by=decided_by, account_id=account_id), ctx)


def cancel_received_upload(account_id: str, upload_id: str, decided_by: str, ctx: RunContext) -> str:
    """Discards an upload that is landed and not loaded. Returns its state after that."""
    with ctx.ledger() as ledger, ledger.transaction():
        ledger.uploads.lock_out_loads(account_id)
        (upload,) = ledger.uploads.list_all([account_id], sha256_prefix=upload_id)
        if upload.state != "landed":
            return upload.state
        ledger.uploads.discard(
            account_id=account_id, sha256=upload_id, decided_by=decided_by, message=None, now=ctx.clock()
        )
    return "discarded"


def uploads_of(account_id: str, upload_id: str, ctx: RunContext) -> list[dict[str, Any]]:
    """Uploads of an account for the API, newest first, filtered by the beginning of their id."""
    with ctx.ledger() as ledger:
        uploads = ledger.uploads.list_all([account_id], sha256_prefix=upload_id)
    return [_shown(upload) for upload in uploads[:_LISTED]]


def rejects_of(account_id: str, upload_id: str, ctx: RunContext) -> list[dict[str, Any]] | None:
    """Open rejects of an upload: ``line, field, reason, raw, detail``; None if the upload is unknown."""
    with ctx.ledger() as ledger:
        if ledger.uploads.find(account_id, upload_id) is None:
            return None
        return ledger.uploads.rejects(account_id, upload_id).to_dicts()


def _loaded(received: ReceivedFile, profile: str, ctx: RunContext) -> UploadReply:
    layout = load_profile(profile, folder=ctx.settings.profile_dir).layout
    if layout.format == "json":
        require_json(lambda: text_pieces(received.path, layout.encoding))
    request = UploadRequest(received.path, received.account_id, profile, received.time_zone)
    if received.dry_run:
        preview = preview_upload(request, ctx)
        return UploadReply(
            "previewed",
            _counted(preview.counts, preview.reject_reasons, preview.filtered_reasons)
            | {"state": "previewed", "overlap_rows": preview.overlap_rows, "other_calls": preview.other_calls},
        )
    registered = register_upload(request, ctx)
    upload = {
        "upload_id": registered.sha256,
        "origin": "imported",
        "profile": profile,
        "bytes": registered.size,
    }
    if received.later and not registered.known:
        return UploadReply("accepted", upload | {"state": "landed"}, registered=registered)
    try:
        loaded = load_registered(registered, ctx)
    except UploadHeld as error:
        held = {"state": "held", "overlap_rows": error.overlap_rows, "other_calls": error.other_calls}
        return UploadReply("held", upload | held)
    data = upload | {"state": "loaded", "days": [str(day) for day in sorted(loaded.touched)]}
    data |= _counted(loaded.counts, loaded.reject_reasons, loaded.filtered_reasons)
    return UploadReply("known" if loaded.known else "created", data)


def _counted(counts: BatchCounts, rejected: dict[str, int], filtered: dict[str, int]) -> dict[str, Any]:
    return {"counts": asdict(counts), "reject_reasons": rejected, "filtered_reasons": filtered}


def _shown(upload: UploadLine) -> dict[str, Any]:
    shown = asdict(upload)
    for hidden in ("landing_path", "content_sha256", "decided_by", "account_id", "error_message"):
        del shown[hidden]
    return {"upload_id": shown.pop("sha256"), "origin": "imported"} | shown


def _fingerprint(received: ReceivedFile, profile: str) -> str:
    digest = hashlib.sha256(f"{profile}\x1f{received.time_zone or ''}\x1f".encode())
    with received.path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
