"""Announced files of sealed days, and the results of their integrity checks."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from cdr_pipeline.warehouse.statement_runner import LedgerTables
from cdr_pipeline.warehouse.statements import statement

_FETCH_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class SealedFile:
    """An announced file of a sealed day.

    Attributes:
        account_id, business_date, version, dialect: key of the file.
        newest: whether it belongs to the newest version of the day.
        path: path below the export folder.
        sha256, size: hash and bytes of the file when it was sealed.
        manifest_size: bytes of the manifest.
        fault: fault that the last check found; None if the file was correct.
        fault_since: when a check first found the fault.
        hashed_at: when the hash was last compared.
        lost_at: when the file was recorded as lost; None if it was not.
        day_version: newest version of the day.
    """

    account_id: str
    business_date: date
    version: int
    newest: bool
    dialect: str
    path: str
    sha256: str
    size: int
    manifest_size: int
    fault: str | None
    fault_since: datetime | None
    hashed_at: datetime | None
    lost_at: datetime | None
    day_version: int


class SealedFileTable(LedgerTables):
    """Sealed files, by account, business date, version and dialect."""

    def sealed_files(self) -> Generator[SealedFile]:
        """All announced files that are not recorded as lost, by account and day; streamed."""
        return self._stream("days/sealed_files")

    def files_to_hash(self) -> Generator[SealedFile]:
        """All announced files that are not recorded as lost, the longest unchecked first; streamed."""
        return self._stream("days/files_to_hash")

    def faulty_files(self) -> list[SealedFile]:
        """Files with a fault that are neither repaired nor recorded as lost."""
        return self.statements.records(SealedFile, "days/faulty_files")

    def lost_files(self) -> list[SealedFile]:
        """Files recorded as lost, by account and day."""
        return self.statements.records(SealedFile, "days/lost_files")

    def record_found_file(self, file: SealedFile) -> None:
        """Records that a lost file is back with its sealed bytes; checks cover it again."""
        self.statements.execute(
            "days/record_found_file",
            account_id=file.account_id,
            business_date=file.business_date,
            version=file.version,
            dialect=file.dialect,
        )

    def record_file_fault(
        self, account_id: str, business_date: date, version: int, dialect: str, fault: str | None, *, now: datetime
    ) -> None:
        """Records the fault of a file; None clears it."""
        self.statements.execute(
            "days/record_file_fault",
            account_id=account_id,
            business_date=business_date,
            version=version,
            dialect=dialect,
            fault=fault,
            now=now,
        )

    def record_hashed_file(self, file: SealedFile, *, now: datetime) -> None:
        """Records that the hash of a file was compared."""
        self.statements.execute(
            "days/record_hashed_file",
            account_id=file.account_id,
            business_date=file.business_date,
            version=file.version,
            dialect=file.dialect,
            now=now,
        )

    def record_lost_files(self, account_id: str, business_date: date, version: int, *, now: datetime) -> None:
        """Records the faulty files of a version as lost: a restatement replaces them.

        Checks skip them until they are back with their sealed bytes.
        """
        self.statements.execute(
            "days/record_lost_files", account_id=account_id, business_date=business_date, version=version, now=now
        )

    def _stream(self, name: str) -> Generator[SealedFile]:
        # A server-side cursor: an installation that has run for years has millions of files.
        with (
            self.connection.transaction(),
            self.connection.cursor("sealed_files", row_factory=class_row(SealedFile)) as cursor,
        ):
            cursor.itersize = _FETCH_ROWS
            cursor.execute(statement(name))
            yield from cursor
