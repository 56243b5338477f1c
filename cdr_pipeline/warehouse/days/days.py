"""Business days of accounts: collection, volume, changes, and the daily files written from them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from cdr_pipeline.core.records.volume import Volume
from cdr_pipeline.warehouse.days.day_states import ExportFile
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
class CompleteDay:
    """An account's day of which every window is loaded: how far the switch's data is complete, and its volume."""

    account_id: str
    business_date: date
    complete_through: datetime
    volume: Volume


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

    def volumes(self, account_ids: list[str], business_dates: list[date]) -> dict[tuple[str, date], int]:
        """Number of the switch's records by account and day; only days that were collected completely."""
        rows = self.statements.tuples("collect/day_volumes", account_ids=account_ids, business_dates=business_dates)
        return {(account_id, day): count for account_id, day, count in rows}

    def count_records(self, account_ids: list[str], business_dates: list[date]) -> dict[tuple[str, date], int]:
        """Number of the switch's records by account and day; days without records are left out."""
        rows = self.statements.tuples("records/count_records", account_ids=account_ids, business_dates=business_dates)
        return {(account_id, day): count for account_id, day, count in rows}

    def record_collected(self, days: Sequence[CompleteDay], *, now: datetime) -> None:
        """Records that every window of some days is loaded, with the verdict on the volume of each."""
        self.statements.execute(
            "collect/record_collected_days",
            account_ids=[day.account_id for day in days],
            business_dates=[day.business_date for day in days],
            through=[day.complete_through for day in days],
            volumes=[day.volume.verdict for day in days],
            usual_rows=[day.volume.usual_rows for day in days],
            now=now,
        )

    def find(self, account_id: str, business_date: date) -> DayRecord:
        """Ledger entry of the day: what its manifest contains besides the rows, and its change counters."""
        (record,) = self.statements.records(
            DayRecord, "days/day_ledger", account_id=account_id, business_date=business_date
        )
        return record

    def to_export(self, account_ids: list[str]) -> list[tuple[str, date]]:
        """Open account-days whose file does not show the latest changes."""
        rows = self.statements.rows("days/days_to_export", account_ids=account_ids)
        return [(row["account_id"], row["business_date"]) for row in rows]

    def record_file(self, file: ExportFile, *, now: datetime) -> None:
        """Records that a daily file is on disk."""
        values = asdict(file)
        size = values.pop("size")
        self.statements.execute("days/record_export_file", **values, bytes=size, now=now)

    def record_exported(self, account_id: str, business_date: date, *, changes: int, now: datetime) -> None:
        """Records that the open day's files show the first ``changes`` changes."""
        self.statements.execute(
            "days/record_exported_day",
            account_id=account_id,
            business_date=business_date,
            changes=changes,
            now=now,
        )

    def status(self, account_ids: list[str], first_date: date, last_date: date) -> list[DayStatus]:
        """Contents of the warehouse by account and day."""
        return self.statements.records(
            DayStatus, "days/status", account_ids=account_ids, first_date=first_date, last_date=last_date
        )
