"""Imported files, their states, and rejected rows of any origin."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.warehouse.statement_runner import LedgerTables

if TYPE_CHECKING:
    import polars as pl

UPLOAD_STATES: Final = ("landed", "held", "loaded", "refused", "discarded")


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """Ledger entry of an uploaded file; ``counts`` is None until it is loaded."""

    state: str
    profile: str
    file_name: str
    landing_path: str
    error_code: str | None
    error_message: str | None
    overlap_rows: int | None
    other_calls: int | None
    counts: BatchCounts | None


@dataclass(frozen=True, slots=True)
class LandedUpload:
    """A file that has landed and is not loaded yet."""

    account_id: str
    sha256: str
    profile: str
    time_zone: str | None
    file_name: str
    landing_path: str
    corrects: str | None = None
    released: bool = False
    content_sha256: str = ""


@dataclass(frozen=True, slots=True)
class UploadLine:
    """One line of ``cdr-pipeline uploads list``; the row counts are None until the file is loaded."""

    account_id: str
    sha256: str
    content_sha256: str
    profile: str
    time_zone: str | None
    file_name: str
    landing_path: str
    state: str
    received_at: datetime
    corrects: str | None
    overlap_rows: int | None
    other_calls: int | None
    decided_by: str | None
    error_code: str | None
    error_message: str | None
    rows_read: int | None
    rows_inserted: int | None
    rows_updated: int | None
    rows_rejected: int | None


@dataclass(frozen=True, slots=True)
class UploadName:
    """A name under which a file was delivered, with the date and sequence number that it contains."""

    account_id: str
    profile: str
    file_name: str
    file_date: date | None
    file_sequence: int | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class UploadReading:
    """An upload of a file's bytes with the profile that reads it."""

    sha256: str
    profile: str
    state: str


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A landed file to be recorded.

    Attributes:
        account_id: account that owns the records.
        sha256: id of the upload, see ``UploadTable.upload_id``.
        content_sha256: sha256 of the bytes.
        profile: profile that reads the file.
        time_zone: IANA name of the time zone of the file's times; None for that of the profile or the account.
        file_name: name under which the file was delivered.
        size: bytes of the file.
        landing_path: path below the landing folder.
        corrects: id of the upload whose rejected lines this file corrects; None for any other file.
    """

    account_id: str
    sha256: str
    content_sha256: str
    profile: str
    time_zone: str | None
    file_name: str
    size: int
    landing_path: str
    corrects: str | None = None


class UploadTable(LedgerTables):
    """Uploads by account and id, and rejected rows of any origin."""

    def readings(self, account_id: str, content_sha256: str) -> list[UploadReading]:
        """Uploads of the same bytes, one per profile that reads them."""
        return self.statements.records(
            UploadReading, "uploads/readings_of_bytes", account_id=account_id, content_sha256=content_sha256
        )

    def upload_id(self, account_id: str, content_sha256: str, profile: str) -> str:
        """Id of the upload of these bytes with this profile.

        It is the sha256 of the bytes, or the sha256 of bytes and profile if an upload with another profile has the
        first id. A refused upload has loaded nothing, so its id is used again for this profile.
        """
        readings = self.readings(account_id, content_sha256)
        for reading in readings:
            if reading.profile == profile:
                return reading.sha256
        if any(reading.sha256 == content_sha256 and reading.state != "refused" for reading in readings):
            return hashlib.sha256(f"{content_sha256}\x1f{profile}".encode()).hexdigest()
        return content_sha256

    def find(self, account_id: str, sha256: str) -> UploadRecord | None:
        """The upload with this id; None if there is none."""
        rows = self.statements.rows("uploads/upload", account_id=account_id, sha256=sha256)
        if not rows:
            return None
        row = rows[0]
        names = ("read", "inserted", "updated", "unchanged", "duplicate", "rejected", "filtered")
        values = {name: row.pop(f"rows_{name}") for name in names}
        counts = None if values["read"] is None else BatchCounts(**values)
        return UploadRecord(**row, counts=counts)

    def landed(self, account_ids: list[str]) -> list[LandedUpload]:
        """Uploads of these accounts that are not loaded yet, in the order of arrival."""
        return self.statements.records(LandedUpload, "uploads/landed_uploads", account_ids=account_ids)

    def record_landed(self, upload: NewUpload, *, now: datetime) -> None:
        """Records a landed file.

        Args:
            upload: the file.
            now: time of arrival.
        """
        values = asdict(upload)
        size = values.pop("size")
        self.statements.execute("uploads/record_landed_upload", **values, bytes=size, now=now)

    def record_reading(self, upload: UploadLine, reading: LandedUpload, *, now: datetime) -> None:
        """Records that an upload is to be read with a profile.

        Args:
            upload: the upload.
            reading: the new upload of the same bytes, or the same one.
            now: time of the decision.
        """
        self.statements.execute(
            "uploads/record_reading",
            account_id=upload.account_id,
            sha256=upload.sha256,
            reading=reading.sha256,
            profile=reading.profile,
            time_zone=reading.time_zone,
            now=now,
        )

    def with_corrections(self, account_id: str, sha256: str) -> list[str]:
        """Ids of an upload and of the uploads that correct its rejected lines."""
        rows = self.statements.tuples("uploads/upload_and_corrections", account_id=account_id, sha256=sha256)
        return [upload_id for (upload_id,) in rows]

    def repeating(self, account_id: str, uploads: Sequence[str]) -> list[LandedUpload]:
        """Loaded uploads of the same profile that may have records of these uploads too, oldest first."""
        return self.statements.records(
            LandedUpload, "uploads/repeating_uploads", account_id=account_id, uploads=list(uploads)
        )

    def completing(self, account_id: str, uploads: Sequence[str]) -> list[LandedUpload]:
        """Loaded uploads whose calls are complete only with rows of these uploads, oldest first."""
        return self.statements.records(
            LandedUpload, "uploads/completing_uploads", account_id=account_id, uploads=list(uploads)
        )

    def lock_out_loads(self, account_id: str) -> None:
        """Waits for loads of the account and blocks others until the transaction of the caller ends."""
        self.statements.rows("records/lock_account", account_id=account_id)

    def discard(
        self, *, account_id: str, sha256: str, decided_by: str | None, message: str | None, now: datetime
    ) -> None:
        """Records that an upload and its corrections no longer count.

        Args:
            account_id: account of the upload.
            sha256: id of the upload.
            decided_by: person responsible.
            message: why, if another reading takes its place.
            now: time of the decision.
        """
        self.statements.execute(
            "uploads/discard_upload",
            account_id=account_id,
            sha256=sha256,
            decided_by=decided_by,
            message=message,
            now=now,
        )

    def record_name(
        self,
        *,
        account_id: str,
        sha256: str,
        file_name: str,
        profile: str,
        file_date: date | None,
        file_sequence: int | None,
        now: datetime,
    ) -> None:
        """Records a name under which a file was delivered, also for a file whose bytes are already stored."""
        self.statements.execute(
            "uploads/record_upload_name",
            account_id=account_id,
            sha256=sha256,
            file_name=file_name,
            profile=profile,
            file_date=file_date,
            file_sequence=file_sequence,
            now=now,
        )

    def series_exist(self, account_ids: list[str]) -> bool:
        """Whether the name of any file has a date or a number, so that files of a series may be missing."""
        return bool(self.statements.tuples("uploads/series_exist", account_ids=account_ids)[0][0])

    def names(self, account_ids: list[str], profiles: list[str]) -> list[UploadName]:
        """Names of files of these profiles, newest first; without refused and discarded files and corrections."""
        return self.statements.records(UploadName, "uploads/upload_names", account_ids=account_ids, profiles=profiles)

    def list_all(
        self,
        account_ids: list[str],
        *,
        sha256_prefix: str = "",
        states: Sequence[str] = UPLOAD_STATES,
        most: int | None = None,
    ) -> list[UploadLine]:
        """Uploads of these accounts in these states, newest first; ``most`` is the largest number of them."""
        return self.statements.records(
            UploadLine,
            "uploads/uploads",
            account_ids=account_ids,
            sha256_prefix=sha256_prefix,
            states=list(states),
            most=most,
        )

    def record_held(
        self, *, account_id: str, sha256: str, overlap_rows: int, other_calls: int, error_code: str, error_message: str
    ) -> None:
        """Holds a file that repeats stored records or has ids of other calls, until a person decides.

        Args:
            account_id: account that owns the records.
            sha256: id of the upload.
            overlap_rows: number of records that the warehouse already has.
            other_calls: number of records that carry the id of another call.
            error_code: code of the reason.
            error_message: text of the reason.
        """
        self.statements.execute(
            "uploads/record_held_upload",
            account_id=account_id,
            sha256=sha256,
            overlap_rows=overlap_rows,
            other_calls=other_calls,
            error_code=error_code,
            error_message=error_message,
        )

    def release(self, *, account_id: str, sha256: str, decided_by: str, now: datetime) -> bool:
        """Releases a held file, so that it can be loaded.

        Args:
            account_id: account that owns the records.
            sha256: id of the upload.
            decided_by: person responsible.
            now: time of the decision.

        Returns:
            False if the file was not held.
        """
        return bool(
            self.statements.execute(
                "uploads/release_upload", account_id=account_id, sha256=sha256, decided_by=decided_by, now=now
            )
        )

    def rejects(self, account_id: str, source: str, *, state: str = "open") -> "pl.DataFrame":
        """Rejected rows of a source as ``line, field, reason, raw, detail``, by line."""
        import polars as pl  # noqa: PLC0415 - slow to import, and lists of uploads do not need it

        rows = self.statements.rows("uploads/rejects", account_id=account_id, source=source, state=state)
        schema = {"line": pl.Int64, "field": pl.String, "reason": pl.String, "raw": pl.String, "detail": pl.String}
        return pl.DataFrame(rows, schema=schema)

    def dismiss_rejects(
        self,
        account_id: str,
        *,
        source: str | None,
        business_date: date | None,
        decided_by: str,
        reason: str,
        now: datetime,
    ) -> list[date | None]:
        """Closes open rejected rows by a decision. Returns the day of each; None for rows without a day.

        Args:
            account_id: account that owns the rows.
            source: id of an upload; None for rows of any source.
            business_date: day of the rows; None for any day.
            decided_by: person responsible.
            reason: why.
            now: time of the decision.
        """
        rows = self.statements.rows(
            "uploads/dismiss_rejects",
            account_id=account_id,
            source=source,
            business_date=business_date,
            decided_by=decided_by,
            reason=reason,
            now=now,
        )
        return [row["business_date"] for row in rows]

    def reject_reasons_of(self, account_id: str, source: str) -> dict[str, int]:
        """Numbers of rejected lines of an upload by reason, including lines corrected since."""
        rows = self.statements.rows("uploads/upload_reject_reasons", account_id=account_id, source=source)
        return {row["reason"]: row["row_count"] for row in rows}

    def reject_sources(self, account_ids: list[str], *, state: str = "open") -> list[dict[str, Any]]:
        """Rejected rows by account, origin, source, reason, field; with ``row_count``, ``first_line``, ``detail``."""
        return self.statements.rows("uploads/reject_sources", account_ids=account_ids, state=state)

    def record_refused(self, *, account_id: str, sha256: str, error_code: str, error_message: str) -> None:
        """Records that a file could not be read with its profile."""
        self.statements.execute(
            "uploads/record_refused_upload",
            account_id=account_id,
            sha256=sha256,
            error_code=error_code,
            error_message=error_message,
        )

    def reject_reasons(self, account_ids: list[str]) -> list[dict[str, Any]]:
        """Rejected rows by ``account_id, origin, reason, field`` with ``row_count``."""
        return self.statements.rows("uploads/reject_reasons", account_ids=account_ids)
