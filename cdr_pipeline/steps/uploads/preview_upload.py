"""Previews an import line by line. The transaction is rolled back and the preview is not recorded."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import polars as pl

from cdr_pipeline.core.fields.schemas import DETAIL, LINE
from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.errors import UploadError, UploadHeld
from cdr_pipeline.sources.uploads.date_order import with_date_order
from cdr_pipeline.sources.uploads.parse import read_ahead, read_upload
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.sources.uploads.reject_reasons import RejectReason
from cdr_pipeline.sources.uploads.waiting import display_name
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.held_uploads import discarded_before, require_new
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.steps.uploads.upload_batch import LINE_CLASSES, UploadBatch, in_zone
from cdr_pipeline.steps.uploads.upload_parts import require_reader
from cdr_pipeline.warehouse.ledger import LandedUpload, Ledger
from cdr_pipeline.warehouse.records.batch import BatchHeader


@dataclass(frozen=True, slots=True)
class PreviewedUpload:
    """Result that importing a file would have.

    Attributes:
        counts: lines by class.
        reject_reasons, filtered_reasons: lines by reason or kind.
        overlap_rows: number of records that another file has delivered before; two or more would hold the file.
        other_calls: number of records with the id of another call; any would hold the file.
        refusal: error of the import, which would hold or refuse the file; None if it would load it.
        lines: ``line, class, reason, field, detail`` of every line; class is inserted, updated, unchanged, duplicate,
            rejected or filtered.
        first_rows: first accepted rows as they would be merged, with ``line`` and ``raw``.
        details: rejected lines by reason and field.
    """

    counts: BatchCounts
    reject_reasons: dict[str, int]
    filtered_reasons: dict[str, int]
    overlap_rows: int
    other_calls: int
    refusal: UploadError | None
    lines: pl.DataFrame
    first_rows: list[dict[str, Any]]
    details: tuple[RejectReason, ...]


def preview_upload(request: UploadRequest, ctx: RunContext) -> PreviewedUpload:
    """Imports a file in a transaction that is rolled back, and returns the result.

    Raises:
        UnknownProfile, InvalidProfile, AccountNotFound, UnreadableUpload: as ``import_upload``.
    """
    stated = load_profile(request.profile, folder=ctx.settings.profile_dir)
    require_reader(stated)
    zoned = in_zone(stated, request.time_zone)
    profile = with_date_order(request.path, replace(zoned, file_name=display_name(request.path.name)))
    with ctx.ledger() as ledger:
        (account,) = ledger.accounts.active([request.account_id])
        header = BatchHeader(account.account_id, uuid4(), "upload", "preview", ctx.clock())
        with ledger.records.load_batch(header, keep=False) as load:
            batch = UploadBatch(ledger.accounts.reread_account(account), profile, load, ctx, keep_lines=True)
            batch.add_all(read_ahead(request.path, profile))
            batch.settle(lambda: read_upload(request.path, profile))
            overlap = load.overlap()
            refusal = _refusal(request, batch, ledger)
            classes = load.classes()
            loaded = load.finish(read=batch.read, filtered=batch.filtered.total(), record=False)
    return PreviewedUpload(
        loaded.counts,
        batch.reject_reasons,
        batch.filtered_reasons,
        overlap,
        load.other_calls,
        refusal,
        _by_line(batch.lines, classes),
        batch.first_rows,
        batch.details.listed(),
    )


def _refusal(request: UploadRequest, batch: UploadBatch, ledger: Ledger) -> UploadError | None:
    """Error with which the import of the staged file would end."""
    with request.path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    upload_id = ledger.uploads.upload_id(request.account_id, sha256, request.profile)
    name = display_name(request.path.name)
    before = ledger.uploads.find(request.account_id, upload_id)
    if before is not None and before.state == "loaded":
        return None
    if before is not None and before.state == "discarded":
        return discarded_before(name)
    upload = LandedUpload(
        request.account_id, upload_id, request.profile, request.time_zone, name, "", content_sha256=sha256
    )
    try:
        require_new(upload, batch, ledger)
    except UploadHeld as error:
        return error
    return None


def _by_line(lines: list[pl.DataFrame], classes: pl.DataFrame) -> pl.DataFrame:
    """Class of every line. A staged line that the batch did not keep is a duplicate."""
    all_lines = pl.concat(lines) if lines else pl.DataFrame(schema=LINE_CLASSES)
    joined = all_lines.join(classes, on=LINE, how="left", maintain_order="left")
    staged = pl.when(pl.col("class") == "staged").then(pl.col("row_class").fill_null("duplicate"))
    return joined.select(LINE, staged.otherwise(pl.col("class")).alias("class"), "reason", "field", DETAIL).sort(LINE)
