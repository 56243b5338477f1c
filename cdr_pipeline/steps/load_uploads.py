"""Loads landed files: parse by profile, normalise, validate, merge as ``imported``, account for every line."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import uuid4

import polars as pl

from cdr_pipeline.core.accounting import BatchCounts
from cdr_pipeline.core.identity import with_record_ids
from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.core.validate import validate
from cdr_pipeline.errors import CdrError, UnreadableUpload
from cdr_pipeline.sources.uploads.parse import read_upload
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.take_in_uploads import UploadRequest, take_in
from cdr_pipeline.steps.workplace import Workplace
from cdr_pipeline.warehouse.ledger import Account, LandedUpload, Ledger
from cdr_pipeline.warehouse.loading import BatchHeader, batch_load

# Clocks of other systems run ahead; a call that starts later than this is not believed.
_LEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LoadedUpload:
    """What became of a file.

    Attributes:
        account_id: whose calls it holds.
        file_name: as it came, for people.
        sha256: its identity.
        profile: how it was read.
        counts: its lines by class; they balance.
        reject_reasons: refused lines by reason code.
        filtered_reasons: lines that are no records, by kind.
        touched: business dates whose records changed.
        known: the same bytes had been loaded before; the counts are those of the first time.
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


@dataclass(frozen=True, slots=True)
class LoadedUploads:
    """What became of all landed files: those loaded, and failures of accounts whose file could not be read."""

    files: tuple[LoadedUpload, ...]
    failures: tuple[AccountFailure, ...]

    @property
    def counts(self) -> BatchCounts:
        """Lines by class over all files."""
        return sum((file.counts for file in self.files), BatchCounts())

    @property
    def reject_reasons(self) -> dict[str, int]:
        """Refused lines by reason over all files."""
        total: Counter[str] = Counter()
        for file in self.files:
            total.update(file.reject_reasons)
        return dict(sorted(total.items()))

    @property
    def touched(self) -> frozenset[date]:
        """Business dates whose records changed."""
        return frozenset[date]().union(*(file.touched for file in self.files))


def load_uploads(at: Workplace, accounts: Sequence[str] | None = None) -> LoadedUploads:
    """Merges every landed file, one transaction each; one that cannot be read is on record as refused.

    Raises:
        AccountNotFound: an account asked for is unknown.
    """
    files: list[LoadedUpload] = []
    failures: list[AccountFailure] = []
    with at.ledger() as ledger:
        known = {account.account_id: account for account in ledger.accounts(accounts)}
        for upload in ledger.landed_uploads(list(known)):
            try:
                files.append(_load(upload, known[upload.account_id], ledger, at))
            except CdrError as error:
                failures.append(AccountFailure.of(upload.account_id, error))
    return LoadedUploads(tuple(files), tuple(failures))


def import_upload(request: UploadRequest, at: Workplace) -> LoadedUpload:
    """Takes one file in and loads it, all of it or nothing; the same bytes again give the first result.

    Raises:
        UnknownProfile, InvalidProfile: no usable profile of that name.
        AccountNotFound: the warehouse does not know the account.
        UnreadableUpload: the file cannot be opened or decoded; it is on record as refused.
        UnbalancedBatch: a line is unaccounted for; nothing was merged.
    """
    taken = take_in(request, at)
    with at.ledger() as ledger:
        (account,) = ledger.accounts([request.account_id])
        if taken.known:
            return _as_before(account, taken.sha256, ledger)
        landed = ledger.landed_uploads([account.account_id])
        (upload,) = [item for item in landed if item.sha256 == taken.sha256]
        return _load(upload, account, ledger, at)


def _load(upload: LandedUpload, account: Account, ledger: Ledger, at: Workplace) -> LoadedUpload:
    profile = load_profile(upload.profile, folder=at.settings.profile_dir)
    if upload.time_zone is not None:
        profile = replace(profile, time_zone=upload.time_zone)
    try:
        records = read_upload(at.settings.landing_dir / upload.landing_path, profile)
    except UnreadableUpload as error:
        ledger.record_refused_upload(
            account_id=account.account_id,
            sha256=upload.sha256,
            error_code=error.code,
            error_message=error.message,
        )
        raise
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
    header = BatchHeader(account.account_id, uuid4(), "upload", upload.sha256, now, run_id=at.run_id)
    with batch_load(ledger.connection, header) as load:
        load.stage(accepted.rows)
        load.reject(rejects)
        loaded = load.finish(read=records.read, filtered=sum(records.filtered.values()))
    at.progress(f"imported {upload.file_name}")
    return LoadedUpload(
        account_id=account.account_id,
        file_name=upload.file_name,
        sha256=upload.sha256,
        profile=upload.profile,
        counts=loaded.counts,
        reject_reasons=dict(sorted(Counter(rejects["reason"].to_list()).items())),
        filtered_reasons={reason.value: count for reason, count in records.filtered.items() if count},
        touched=loaded.touched,
    )


def _as_before(account: Account, sha256: str, ledger: Ledger) -> LoadedUpload:
    before = ledger.upload(account.account_id, sha256)
    if before is None or before.counts is None:
        raise UnreadableUpload(f"upload {sha256[:12]} is on record as loaded, but its batch is missing")
    return LoadedUpload(
        account_id=account.account_id,
        file_name=before.file_name,
        sha256=sha256,
        profile=before.profile,
        counts=before.counts,
        reject_reasons={},
        filtered_reasons={},
        touched=frozenset(),
        known=True,
    )
