"""Imports one file: land its bytes, parse by profile, normalise, validate, merge as ``imported``, account for each line."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import polars as pl

from cdr_pipeline.core.accounting import BatchCounts
from cdr_pipeline.core.identity import with_record_ids
from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.core.validate import validate
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.landing import land_upload
from cdr_pipeline.sources.uploads.parse import read_upload
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.steps.workplace import Workplace
from cdr_pipeline.warehouse.ledger import Ledger, UploadRecord
from cdr_pipeline.warehouse.loading import BatchHeader, batch_load

# Clocks of other systems run ahead; a call that starts later than this is not believed.
_LEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """A file to import.

    Attributes:
        path: where it is now; its name is shown to people and never used as a path.
        account_id: whose calls it holds.
        profile: name of the import profile.
        time_zone: IANA zone of its local times; the profile's, else the account's, when omitted.
    """

    path: Path
    account_id: str
    profile: str
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedUpload:
    """What became of a file.

    Attributes:
        request: as asked.
        sha256: the file's identity.
        size: its length in bytes.
        counts: its lines by class; they balance.
        reject_reasons: refused lines by reason code.
        filtered_reasons: lines that are no records by kind; empty for a file that was known.
        touched: business dates whose records changed.
        known: the same bytes had been imported before; the counts are those of the first time.
    """

    request: UploadRequest
    sha256: str
    size: int
    counts: BatchCounts
    reject_reasons: dict[str, int]
    filtered_reasons: dict[str, int]
    touched: frozenset[date]
    known: bool = False


def import_upload(request: UploadRequest, at: Workplace) -> ImportedUpload:
    """Imports one file, all of it or nothing.

    Raises:
        UnknownProfile, InvalidProfile: no usable profile of that name.
        AccountNotFound: the warehouse does not know the account.
        UnreadableUpload: the file cannot be opened or decoded; it is on record as refused.
        UnbalancedBatch: a line is unaccounted for; nothing was merged.
    """
    profile = load_profile(request.profile)
    if request.time_zone is not None:
        profile = replace(profile, time_zone=request.time_zone)
    with at.ledger() as ledger:
        (account,) = ledger.accounts([request.account_id])
        opened, records = read_upload(request.path, profile)
        before = ledger.upload(account.account_id, opened.sha256)
        if before is not None and before.state == "loaded":
            return _known(request, opened.sha256, opened.size, before)
        landed = land_upload(request.path, at.settings.landing_dir, opened.sha256)
        ledger.record_landed_upload(
            account_id=account.account_id,
            sha256=opened.sha256,
            profile=request.profile,
            time_zone=request.time_zone,
            file_name=request.path.name,
            size=opened.size,
            landing_path=str(landed.relative_to(at.settings.landing_dir)),
            now=at.clock(),
        )
        normalized = normalize_imported(
            records.frame,
            profile,
            account_id=account.account_id,
            account_time_zone=account.time_zone,
            account_country_code=account.country_code,
        )
        now = at.clock()
        accepted = validate(with_record_ids(normalized.rows), latest=now + _LEAD)
        rejects = pl.concat([records.rejects, normalized.rejects, accepted.rejects])
        header = BatchHeader(account.account_id, uuid4(), "upload", opened.sha256, now, run_id=at.run_id)
        with batch_load(ledger.connection, header) as load:
            load.stage(accepted.rows)
            load.reject(rejects)
            loaded = load.finish(read=records.read, filtered=sum(records.filtered.values()))
    at.progress(f"imported {request.path.name}")
    return ImportedUpload(
        request=request,
        sha256=opened.sha256,
        size=opened.size,
        counts=loaded.counts,
        reject_reasons=dict(sorted(Counter(rejects["reason"].to_list()).items())),
        filtered_reasons={reason.value: count for reason, count in records.filtered.items() if count},
        touched=loaded.touched,
    )


def refuse_upload(request: UploadRequest, error: UnreadableUpload, sha256: str, ledger: Ledger) -> None:
    """Puts on record that a file could not be opened as its profile says."""
    ledger.record_refused_upload(
        account_id=request.account_id, sha256=sha256, error_code=error.code, error_message=error.message
    )


def _known(request: UploadRequest, sha256: str, size: int, before: UploadRecord) -> ImportedUpload:
    if before.counts is None:
        raise UnreadableUpload(f"upload {sha256[:12]} is loaded but its batch is missing from the ledger")
    return ImportedUpload(
        request=request,
        sha256=sha256,
        size=size,
        counts=before.counts,
        reject_reasons={},
        filtered_reasons={},
        touched=frozenset(),
        known=True,
    )
