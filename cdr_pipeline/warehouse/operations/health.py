"""What the ledger knows about how a night went and what is broken now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.warehouse.statement_runner import LedgerTables


@dataclass(frozen=True, slots=True)
class MissingDay:
    """An account's day that should be whole and is not; ``error_code`` when its collection failed."""

    account_id: str
    business_date: date
    attempted: bool
    error_code: str | None


@dataclass(frozen=True, slots=True)
class FailedDay:
    """An account's day with windows that could not be collected."""

    account_id: str
    business_date: date
    since: datetime
    windows: int
    error_code: str | None


@dataclass(frozen=True, slots=True)
class StuckUpload:
    """A file that is held, or that could not be read."""

    account_id: str
    sha256: str
    state: str
    since: datetime
    error_code: str | None


@dataclass(frozen=True, slots=True)
class OutdatedFiles:
    """Days of a date, open or final, whose files do not show their records."""

    business_date: date
    still_open: bool
    accounts: int
    since: datetime


@dataclass(frozen=True, slots=True)
class LateDay:
    """An account's day that changed after its file was written; ``changes`` counts all changes it ever had."""

    account_id: str
    business_date: date
    changes: int


@dataclass(frozen=True, slots=True)
class SuspiciousDay:
    """A day that was collected whole and is far emptier than usual."""

    account_id: str
    business_date: date
    volume: str
    usual_rows: int | None
    since: datetime


@dataclass(frozen=True, slots=True)
class HourOfTraffic:
    """Records that began in an hour (UTC) of the asked days, by origin and currency."""

    hour: int
    origin: str
    cost_currency: str | None
    row_count: int
    billing_seconds: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class OpenExposure:
    """What the reconciliations of a day leave open: breaks, money in its currency, and how many of them are red."""

    business_date: date
    currency: str
    breaks: int
    exposure: Decimal
    red: int


@dataclass(frozen=True, slots=True)
class NightAccount:
    """How an account's day stands; the file's columns are None while there is none.

    A day that was collected whole and has a window that failed since is not whole.
    """

    account_id: str
    state: str | None
    collected_at: datetime | None
    complete_through: datetime | None
    volume: str | None
    failed_windows: int
    path: str | None
    version: int | None
    row_count: int | None
    bytes: int | None
    sha256: str | None

    @property
    def whole(self) -> bool:
        """Whether every window of the day was collected."""
        return self.collected_at is not None and not self.failed_windows


class HealthTable(LedgerTables):
    """Questions about nights; each is one statement and changes nothing."""

    def warehouse_clock(self) -> datetime:
        """The warehouse's own clock."""
        (row,) = self._rows("operations/warehouse_clock")
        return row["moment"]

    def missing_days(
        self, account_ids: Sequence[str], first_date: date, last_date: date, *, time_zone: str
    ) -> list[MissingDay]:
        """Account-days that should be whole and are not, oldest first."""
        rows = self._rows(
            "days/missing_days",
            account_ids=list(account_ids),
            first_date=first_date,
            last_date=last_date,
            time_zone=time_zone,
        )
        return [MissingDay(**row) for row in rows]

    def failed_days(self, account_ids: Sequence[str]) -> list[FailedDay]:
        """Account-days with a failed window, oldest first."""
        return [FailedDay(**row) for row in self._rows("collect/failed_windows", account_ids=list(account_ids))]

    def stuck_uploads(self, account_ids: Sequence[str]) -> list[StuckUpload]:
        """Files that are held or refused, oldest first."""
        return [StuckUpload(**row) for row in self._rows("uploads/stuck_uploads", account_ids=list(account_ids))]

    def outdated_files(self, account_ids: Sequence[str], *, before: datetime) -> list[OutdatedFiles]:
        """Dates whose files have not shown a change made before that instant."""
        rows = self._rows("days/outdated_files", account_ids=list(account_ids), before=before)
        return [OutdatedFiles(**row) for row in rows]

    def late_days(self, account_ids: Sequence[str], *, before: datetime) -> list[LateDay]:
        """Days of any state whose file does not show a change made before that instant."""
        rows = self._rows("days/late_days", account_ids=list(account_ids), before=before)
        return [LateDay(**row) for row in rows]

    def suspicious_days(self, account_ids: Sequence[str], *, first_date: date) -> list[SuspiciousDay]:
        """Days since ``first_date`` that are far emptier than usual."""
        rows = self._rows("days/suspicious_days", account_ids=list(account_ids), first_date=first_date)
        return [SuspiciousDay(**row) for row in rows]

    def open_exposure(self, account_ids: Sequence[str], *, first_date: date) -> list[OpenExposure]:
        """Money that the newest reconciliations leave open, by day and currency."""
        rows = self._rows("reconciliation/open_exposure", account_ids=list(account_ids), first_date=first_date)
        return [OpenExposure(**row) for row in rows]

    def day_traffic(self, account_ids: Sequence[str], business_dates: Sequence[date]) -> list[HourOfTraffic]:
        """Records of these days by hour, origin and currency."""
        rows = self._rows("days/day_traffic", account_ids=list(account_ids), business_dates=list(business_dates))
        return [HourOfTraffic(**row) for row in rows]

    def late_rows(self, account_ids: Sequence[str], business_dates: Sequence[date], *, since: datetime) -> int:
        """Records of these days that have come in or changed since an instant."""
        (row,) = self._rows(
            "days/late_rows", account_ids=list(account_ids), business_dates=list(business_dates), since=since
        )
        return int(row["row_count"])

    def file_trend(self, account_ids: Sequence[str], first_date: date, last_date: date) -> dict[date, int]:
        """Rows in the newest files of each day that has any."""
        rows = self._rows(
            "reconciliation/file_trend", account_ids=list(account_ids), first_date=first_date, last_date=last_date
        )
        return {row["business_date"]: row["row_count"] for row in rows}

    def counts_of_day(self, account_ids: Sequence[str], business_date: date) -> BatchCounts:
        """Rows by class of everything that was loaded from the day's windows, as of their last load."""
        (row,) = self._rows("days/batches_of_day", account_ids=list(account_ids), business_date=business_date)
        return BatchCounts(**row)

    def night_accounts(self, account_ids: Sequence[str], business_date: date) -> list[NightAccount]:
        """How each account's day stands, in the order of their ids."""
        rows = self._rows("operations/night_accounts", account_ids=list(account_ids), business_date=business_date)
        return [NightAccount(**row) for row in rows]
