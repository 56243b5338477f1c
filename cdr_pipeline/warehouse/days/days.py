"""Business days of accounts: collection, volume, changes, and the daily files written from them."""

from dataclasses import dataclass
from datetime import date, datetime

from cdr_pipeline.core.records.volume import Volume
from cdr_pipeline.warehouse.statement_runner import LedgerTables


@dataclass(frozen=True, slots=True)
class DayRecord:
    """Ledger entry of an account's day: the values for its manifest and its state.

    ``changes`` counts the changes of its records, ``exported_changes`` how many of them its file shows.
    """

    state: str
    version: int
    changes: int
    exported_changes: int
    complete_through: datetime | None
    volume: str | None
    sealed_at: datetime | None
    published_at: datetime | None
    rejected_rows: int
    corrected_rows: int

    @property
    def late_pending(self) -> bool:
        """Whether records arrived or changed since the day was sealed."""
        return self.state != "open" and self.exported_changes < self.changes


@dataclass(frozen=True, slots=True)
class DayStatus:
    """One line of ``cdr-pipeline status``."""

    account_id: str
    business_date: date
    state: str
    complete_through: datetime | None
    changed_at: datetime | None
    exported_at: datetime | None
    api_rows: int
    imported_rows: int
    api_minutes: float
    failed_windows: int
    volume: str | None
    usual_rows: int | None
    path: str | None
    row_count: int | None


class DayTable(LedgerTables):
    """Days, by account and business date."""

    def volumes(self, account_id: str, business_dates: list[date]) -> dict[date, int]:
        """Number of the switch's records by day; only days that were collected completely."""
        rows = self._rows("collect/day_volumes", account_id=account_id, business_dates=business_dates)
        return {row["business_date"]: row["row_count"] for row in rows}

    def count_records(self, account_id: str, business_date: date) -> int:
        """Number of the switch's records of a day."""
        (row,) = self._rows("records/count_records", account_id=account_id, business_date=business_date)
        return int(row["row_count"])

    def record_collected(
        self, *, account_id: str, business_date: date, complete_through: datetime, volume: Volume, now: datetime
    ) -> None:
        """Records that every window of the day is loaded, with the verdict on its volume."""
        self._execute(
            "collect/record_collected_day",
            account_id=account_id,
            business_date=business_date,
            complete_through=complete_through,
            volume=volume.verdict,
            usual_rows=volume.usual_rows,
            now=now,
        )

    def find(self, account_id: str, business_date: date) -> DayRecord:
        """Ledger entry of the day: what its manifest contains besides the rows, and its change counters."""
        (row,) = self._rows("days/day_ledger", account_id=account_id, business_date=business_date)
        return DayRecord(**row)

    def to_export(self, account_ids: list[str]) -> list[tuple[str, date]]:
        """Open account-days whose file does not show the latest changes."""
        rows = self._rows("days/days_to_export", account_ids=account_ids)
        return [(row["account_id"], row["business_date"]) for row in rows]

    def record_file(
        self,
        *,
        account_id: str,
        business_date: date,
        version: int,
        dialect: str,
        path: str,
        sha256: str,
        content_sha256: str,
        size: int,
        rows: int,
        manifest: str | None,
        now: datetime,
    ) -> None:
        """Records that a daily file is on disk.

        Args:
            account_id: account that owns the records.
            business_date: day that the file shows.
            version: version of the day.
            dialect: export dialect of the file.
            path: path below the export folder.
            sha256: hash of the file.
            content_sha256: hash of the rows in the exact dialect; equal in all dialects.
            size: bytes of the file.
            rows: number of rows.
            manifest: text of the manifest of a final file; None for an open day.
            now: time of the export.
        """
        self._execute(
            "days/record_export_file",
            account_id=account_id,
            business_date=business_date,
            version=version,
            dialect=dialect,
            path=path,
            sha256=sha256,
            content_sha256=content_sha256,
            bytes=size,
            rows=rows,
            manifest=manifest,
            now=now,
        )

    def record_exported(self, account_id: str, business_date: date, *, changes: int, now: datetime) -> None:
        """Records that the open day's files show the first ``changes`` changes."""
        self._execute(
            "days/record_exported_day",
            account_id=account_id,
            business_date=business_date,
            changes=changes,
            now=now,
        )

    def status(self, account_ids: list[str], first_date: date, last_date: date) -> list[DayStatus]:
        """Contents of the warehouse by account and day."""
        rows = self._rows("days/status", account_ids=account_ids, first_date=first_date, last_date=last_date)
        return [DayStatus(**row) for row in rows]
