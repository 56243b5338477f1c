"""Announced files of sealed days, and what checks of them found."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import dict_row

from cdr_pipeline.warehouse.statement_runner import LedgerTables
from cdr_pipeline.warehouse.statements import statement

_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class SealedFile:
    """An announced file of a sealed day.

    Attributes:
        account_id, business_date, version, dialect: which file.
        newest: whether it is of the day's newest version.
        path: below the folder of exports.
        sha256, size: of the file as it was sealed; ``size`` in bytes.
        manifest_size: bytes of its manifest.
        fault: what the last check found wrong; None when nothing was.
        fault_since: when a check first found it.
        hashed_at: when its hash was last compared.
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


class SealedFileTable(LedgerTables):
    """Sealed files, by account, business date, version and dialect."""

    def sealed_files(self) -> Generator[SealedFile]:
        """Every announced file that is not given up, by account and day, a block of rows at a time."""
        return self._stream("days/sealed_files")

    def files_to_hash(self) -> Generator[SealedFile]:
        """Every announced file that is not given up, the longest unchecked first, a block of rows at a time."""
        return self._stream("days/files_to_hash")

    def faulty_files(self) -> list[SealedFile]:
        """Files that a check found wrong and that are neither repaired nor given up."""
        return [SealedFile(**row) for row in self._rows("days/faulty_files")]

    def record_file_fault(
        self, account_id: str, business_date: date, version: int, dialect: str, fault: str | None, *, now: datetime
    ) -> None:
        """Notes what is wrong with a file, or that nothing is."""
        self._execute(
            "days/record_file_fault",
            account_id=account_id,
            business_date=business_date,
            version=version,
            dialect=dialect,
            fault=fault,
            now=now,
        )

    def record_hashed_file(self, file: SealedFile, *, now: datetime) -> None:
        """Notes that the hash of a file was compared."""
        self._execute(
            "days/record_hashed_file",
            account_id=file.account_id,
            business_date=file.business_date,
            version=file.version,
            dialect=file.dialect,
            now=now,
        )

    def record_lost_files(self, account_id: str, business_date: date, version: int, *, now: datetime) -> None:
        """Gives up the faulty files of a version: a restatement takes their place, and checks name them no more."""
        self._execute(
            "days/record_lost_files", account_id=account_id, business_date=business_date, version=version, now=now
        )

    def _stream(self, name: str) -> Generator[SealedFile]:
        # A cursor on the server: an installation of years has millions of files.
        with (
            self.connection.transaction(),
            self.connection.cursor("sealed_files", row_factory=dict_row) as cursor,
        ):
            cursor.itersize = _AT_ONCE
            cursor.execute(statement(name))
            for row in cursor:
                yield SealedFile(**row)
