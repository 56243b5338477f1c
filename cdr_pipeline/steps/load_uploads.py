"""Loads landed files: parse by profile, normalise, validate, merge as ``imported``, account for every line."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final
from uuid import uuid4

import polars as pl

from cdr_pipeline.core.accounting import BatchCounts
from cdr_pipeline.core.identity import with_correction_ids, with_record_ids
from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.core.normalize.segments import join_segments
from cdr_pipeline.core.profile import Profile
from cdr_pipeline.core.reasons import Filtered
from cdr_pipeline.core.schemas import LINE
from cdr_pipeline.core.validate import validate
from cdr_pipeline.errors import CdrError, ControlTotalsDiffer, UnreadableUpload, UploadHeld
from cdr_pipeline.sources.uploads.corrections import read_correction
from cdr_pipeline.sources.uploads.parse import read_upload
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.sources.uploads.records import RawRecords
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.take_in_uploads import UploadRequest, UploadTakenIn, take_in
from cdr_pipeline.steps.workplace import Workplace
from cdr_pipeline.warehouse.ledger import Account, LandedUpload, Ledger
from cdr_pipeline.warehouse.loading import BatchHeader, BatchLoad, batch_load

# Clocks of other systems run ahead; a call that starts later than this is not believed.
_LEAD = timedelta(days=1)
# One record that another file has too may be chance; two are a pattern.
_OVERLAP_ROWS: Final = 2
_HELD_HINT: Final = "'cdr-pipeline uploads list' shows it; 'uploads release' loads it, 'uploads discard' does not"
_LINE_CLASSES: Final = {LINE: pl.Int64, "class": pl.String, "reason": pl.String, "field": pl.String}


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
class PreviewedUpload:
    """What importing a file would do.

    Attributes:
        counts: its lines by class.
        reject_reasons, filtered_reasons: as in ``LoadedUpload``.
        overlap_rows: records that another file has delivered before; two or more would hold the file.
        lines: ``line, class, reason, field`` of every line that is a record or a reject; class is inserted, updated,
            unchanged, duplicate or rejected.
    """

    counts: BatchCounts
    reject_reasons: dict[str, int]
    filtered_reasons: dict[str, int]
    overlap_rows: int
    lines: pl.DataFrame


@dataclass(frozen=True, slots=True)
class LoadedUploads:
    """What became of all landed files: those loaded, failures of accounts whose file could not be read, those held."""

    files: tuple[LoadedUpload, ...]
    failures: tuple[AccountFailure, ...]
    held: tuple[AccountFailure, ...] = ()

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
    """Merges every landed file, one transaction each.

    One that cannot be read is on record as refused; one that repeats records of another file is held.

    Raises:
        AccountNotFound: an account asked for is unknown.
    """
    files: list[LoadedUpload] = []
    failures: list[AccountFailure] = []
    held: list[AccountFailure] = []
    with at.ledger() as ledger:
        known = {account.account_id: account for account in ledger.accounts(accounts)}
        for upload in ledger.landed_uploads(list(known)):
            try:
                files.append(_load(upload, known[upload.account_id], ledger, at))
            except UploadHeld as error:
                held.append(AccountFailure.of(upload.account_id, error))
            except CdrError as error:
                failures.append(AccountFailure.of(upload.account_id, error))
    return LoadedUploads(tuple(files), tuple(failures), tuple(held))


def import_upload(request: UploadRequest, at: Workplace) -> LoadedUpload:
    """Takes one file in and loads it, all of it or nothing; the same bytes again give the first result.

    Raises:
        UnknownProfile, InvalidProfile: no usable profile of that name.
        AccountNotFound: the warehouse does not know the account.
        UnreadableUpload: the file cannot be opened or decoded, or states other totals than it has; it is on record as
            refused.
        UploadHeld: it repeats records of another file and waits for a person.
        UnbalancedBatch: a line is unaccounted for; nothing was merged.
    """
    taken = take_in(request, at)
    return load_taken(taken, at)


def load_taken(taken: UploadTakenIn, at: Workplace) -> LoadedUpload:
    """Loads a file that has been taken in; raises as ``import_upload`` does."""
    with at.ledger() as ledger:
        (account,) = ledger.accounts([taken.account_id])
        if taken.known:
            return _as_before(account, taken.sha256, ledger)
        landed = ledger.landed_uploads([account.account_id])
        waiting = [item for item in landed if item.sha256 == taken.sha256]
        if not waiting:
            before = ledger.upload(account.account_id, taken.sha256)
            raise UploadHeld(
                f"{taken.file_name} is on record as {before.state if before else 'unknown'}",
                overlap_rows=0,
                hint=_HELD_HINT,
            )
        return _load(waiting[0], account, ledger, at)


def preview_upload(request: UploadRequest, at: Workplace) -> PreviewedUpload:
    """What importing a file would do, line by line; nothing is kept, not even that it was asked.

    Raises:
        UnknownProfile, InvalidProfile, AccountNotFound, UnreadableUpload: as ``import_upload``.
    """
    profile = load_profile(request.profile, folder=at.settings.profile_dir)
    with at.ledger() as ledger:
        (account,) = ledger.accounts([request.account_id])
        header = BatchHeader(account.account_id, uuid4(), "upload", "preview", at.clock())
        with batch_load(ledger.connection, header, keep=False) as load:
            work = _Work(account, _in_zone(profile, request.time_zone), load, at)
            lines = [part for records in read_upload(request.path, work.profile) for part in work.add(records)]
            work.require_totals()
            overlap = load.overlap()
            classes = load.classes()
            loaded = load.finish(read=work.read, filtered=work.filtered.total(), record=False)
    return PreviewedUpload(
        loaded.counts,
        dict(sorted(work.reasons.items())),
        {kind.value: count for kind, count in work.filtered.items() if count},
        overlap,
        _by_line(lines, classes),
    )


def _by_line(lines: list[pl.DataFrame], classes: pl.DataFrame) -> pl.DataFrame:
    """Class of every line that is a record or a reject; a staged line that was not kept repeats another one."""
    everything = pl.concat(lines) if lines else pl.DataFrame(schema=_LINE_CLASSES)
    joined = everything.join(classes, on=LINE, how="left", maintain_order="left")
    staged = pl.when(pl.col("class") == "staged").then(pl.col("row_class").fill_null("duplicate"))
    return joined.select(LINE, staged.otherwise(pl.col("class")).alias("class"), "reason", "field").sort(LINE)


@dataclass(slots=True)
class _Work:
    """A file on its way into a batch: what was read of it so far."""

    account: Account
    profile: Profile
    load: BatchLoad
    at: Workplace
    corrects: str | None = None
    read: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    filtered: Counter[Filtered] = field(default_factory=Counter[Filtered])
    stated: dict[str, str] = field(default_factory=dict[str, str])
    seconds: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    records: int = 0

    def add(self, records: RawRecords) -> list[pl.DataFrame]:
        """Stages one block; returns the classes of its lines as far as they are known."""
        joined = join_segments(records.frame, self.profile)
        normalized = normalize_imported(
            joined.rows,
            self.profile,
            account_id=self.account.account_id,
            account_time_zone=self.account.time_zone,
            account_country_code=self.account.country_code,
        )
        known = (
            with_record_ids(normalized.rows)
            if self.corrects is None
            else with_correction_ids(normalized.rows, self.corrects)
        )
        accepted = validate(known, latest=self.at.clock() + _LEAD)
        rejects = pl.concat([records.rejects, joined.rejects, normalized.rejects, accepted.rejects])
        self.load.stage(accepted.rows)
        self.load.reject(rejects)
        self.read += records.read
        self.reasons.update(rejects["reason"].to_list())
        self.filtered.update(records.filtered)
        self.filtered[Filtered.SEGMENT] += joined.joined
        self.stated |= records.stated
        self.records += records.frame.height + records.rejects.height
        self.seconds += Decimal(str(accepted.rows["billing_seconds"].sum() or 0))
        self.cost += Decimal(str(accepted.rows["cost"].sum() or 0))
        self.at.progress(f"{self.read:,} lines")
        nothing = pl.lit(None, pl.String)
        return [
            accepted.rows.select(
                LINE, pl.lit("staged").alias("class"), nothing.alias("reason"), nothing.alias("field")
            ),
            rejects.select(LINE, pl.lit("rejected").alias("class"), "reason", "field"),
        ]

    def require_totals(self) -> None:
        """Compares what the file says about itself with what it has.

        Raises:
            ControlTotalsDiffer: it is not all there, or damaged.
        """
        control = self.profile.control
        if not control.line:
            return
        if not self.stated:
            raise ControlTotalsDiffer(
                "the line with the file's totals is missing: the file may be cut", hint="fetch the file again"
            )
        has = {"rows": Decimal(self.records), "seconds": self.seconds, "cost": self.cost}
        for name, text in self.stated.items():
            said = _decimal(text)
            # Money and seconds of rejected rows cannot be added up; their number can.
            comparable = name == "rows" or not self.reasons
            if name in has and comparable and said != has[name]:
                raise ControlTotalsDiffer(
                    f"the file states {name} {text.strip()} and has {has[name]}", hint="fetch the file again"
                )


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return None


def _in_zone(profile: Profile, time_zone: str | None) -> Profile:
    return profile if time_zone is None else replace(profile, time_zone=time_zone)


def _load(upload: LandedUpload, account: Account, ledger: Ledger, at: Workplace) -> LoadedUpload:
    profile = _in_zone(load_profile(upload.profile, folder=at.settings.profile_dir), upload.time_zone)
    header = BatchHeader(account.account_id, uuid4(), "upload", upload.sha256, at.clock(), run_id=at.run_id)
    path = at.settings.landing_dir / upload.landing_path
    try:
        with batch_load(ledger.connection, header) as load:
            work = _Work(account, profile, load, at, upload.corrects)
            if upload.corrects is None:
                for records in read_upload(path, profile):
                    work.add(records)
                work.require_totals()
                _require_new(upload, work)
            else:
                correction = read_correction(path, profile)
                work.add(correction.records)
                load.close_corrected(upload.corrects, correction.lines)
            loaded = load.finish(read=work.read, filtered=work.filtered.total())
    except UploadHeld as error:
        ledger.record_held_upload(
            account_id=account.account_id,
            sha256=upload.sha256,
            overlap_rows=error.overlap_rows,
            error_code=error.code,
            error_message=error.message,
        )
        raise
    except UnreadableUpload as error:
        ledger.record_refused_upload(
            account_id=account.account_id,
            sha256=upload.sha256,
            error_code=error.code,
            error_message=error.message,
        )
        raise
    at.progress(f"imported {upload.file_name}")
    return LoadedUpload(
        account_id=account.account_id,
        file_name=upload.file_name,
        sha256=upload.sha256,
        profile=upload.profile,
        counts=loaded.counts,
        reject_reasons=dict(sorted(work.reasons.items())),
        filtered_reasons={kind.value: count for kind, count in work.filtered.items() if count},
        touched=loaded.touched,
    )


def _require_new(upload: LandedUpload, work: _Work) -> None:
    """Holds a file of which several records stand in the warehouse already, unless a person has released it.

    Raises:
        UploadHeld: a person decides.
    """
    if upload.released or work.profile.overlap == "merge":
        return
    overlap = work.load.overlap()
    if overlap >= min(_OVERLAP_ROWS, work.load.staged) and overlap:
        raise UploadHeld(
            f"{upload.file_name}: {overlap} of {work.load.staged} records were delivered by another file before",
            overlap_rows=overlap,
            hint=_HELD_HINT,
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
