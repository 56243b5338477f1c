"""Read-only queries about the result of a night and about current problems."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.warehouse.statement_runner import LedgerTables


@dataclass(frozen=True, slots=True)
class MissingDay:
    """Accounts whose day should be complete and is not; ``error_code`` is set if its collection failed."""

    business_date: date
    attempted: bool
    error_code: str | None
    account_ids: list[str]


@dataclass(frozen=True, slots=True)
class FailedDay:
    """An account's day with windows that could not be collected; ``cause`` is the message of one of them."""

    account_id: str
    business_date: date
    since: datetime
    windows: int
    error_code: str | None
    cause: str | None


@dataclass(frozen=True, slots=True)
class StuckUpload:
    """An imported file that is held or could not be read."""

    account_id: str
    sha256: str
    state: str
    since: datetime
    error_code: str | None


@dataclass(frozen=True, slots=True)
class OpenRejects:
    """Rejected rows of a file, or of the switch on a day, neither corrected nor dismissed.

    Attributes:
        sha256, file_name: the file; None for rows of the switch.
        business_date: day of the rows; None if none of the file's lines could be read.
        reasons: reason codes, in order.
    """

    account_id: str
    origin: str
    sha256: str | None
    file_name: str | None
    business_date: date | None
    row_count: int
    reasons: list[str]
    since: datetime


@dataclass(frozen=True, slots=True)
class OutdatedFiles:
    """Days of one date, open or final, whose files do not show the latest records."""

    business_date: date
    still_open: bool
    accounts: int
    since: datetime


@dataclass(frozen=True, slots=True)
class LateDay:
    """An account's day that changed after its file was written; ``changes`` is the total number of its changes."""

    account_id: str
    business_date: date
    changes: int


@dataclass(frozen=True, slots=True)
class SuspiciousDay:
    """A day that was collected completely and has far fewer records than usual."""

    account_id: str
    business_date: date
    volume: str
    usual_rows: int | None
    since: datetime


@dataclass(frozen=True, slots=True)
class HourOfTraffic:
    """Records that started in an hour (UTC) of the requested days, by origin and currency."""

    hour: int
    origin: str
    cost_currency: str | None
    row_count: int
    billing_seconds: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class OpenExposure:
    """Open result of the reconciliations of a day in one currency.

    Attributes:
        business_date, currency: day and currency.
        breaks: undecided breaks.
        exposure: money at risk.
        red: number of red reconciliations with undecided breaks.
        unverified: number of reconciliations that are red because nothing verifies the charges.
    """

    business_date: date
    currency: str
    breaks: int
    exposure: Decimal
    red: int
    unverified: int


@dataclass(frozen=True, slots=True)
class NightAccount:
    """State of an account's day; the columns of the file are None until a file exists.

    A day that was collected completely is incomplete again if one of its windows failed since.
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
        """Whether every window of the day is collected."""
        return self.collected_at is not None and not self.failed_windows


class HealthTable(LedgerTables):
    """Queries about nights; each is one statement and changes nothing."""

    def warehouse_clock(self) -> datetime:
        """Current time by the clock of the warehouse server."""
        (row,) = self.statements.rows("operations/warehouse_clock")
        return row["moment"]

    def missing_days(
        self, account_ids: Sequence[str], first_date: date, last_date: date, *, time_zone: str
    ) -> list[MissingDay]:
        """Days that should be complete and are not, oldest first, by cause."""
        with self.statements.without_nested_loops():
            return self.statements.records(
                MissingDay,
                "days/missing_days",
                account_ids=list(account_ids),
                first_date=first_date,
                last_date=last_date,
                time_zone=time_zone,
            )

    def failed_days(self, account_ids: Sequence[str]) -> list[FailedDay]:
        """Account-days with a failed window, oldest first."""
        return self.statements.records(FailedDay, "collect/failed_windows", account_ids=list(account_ids))

    def stuck_uploads(self, account_ids: Sequence[str]) -> list[StuckUpload]:
        """Imported files that are held or refused, oldest first."""
        return self.statements.records(StuckUpload, "uploads/stuck_uploads", account_ids=list(account_ids))

    def open_rejects(
        self, account_ids: Sequence[str], *, since: datetime | None = None, business_date: date | None = None
    ) -> list[OpenRejects]:
        """Open rejected rows, by account and source: those rejected since an instant, and those of a day."""
        return self.statements.records(
            OpenRejects,
            "uploads/open_rejects",
            account_ids=list(account_ids),
            since=since,
            business_date=business_date,
        )

    def outdated_files(self, account_ids: Sequence[str], *, before: datetime) -> list[OutdatedFiles]:
        """Dates with files that do not show a change made before an instant."""
        return self.statements.records(
            OutdatedFiles, "days/outdated_files", account_ids=list(account_ids), before=before
        )

    def late_days(self, account_ids: Sequence[str], *, before: datetime) -> list[LateDay]:
        """Days of any state whose file does not show a change made before an instant."""
        return self.statements.records(LateDay, "days/late_days", account_ids=list(account_ids), before=before)

    def suspicious_days(self, account_ids: Sequence[str], *, first_date: date) -> list[SuspiciousDay]:
        """Days since ``first_date`` that have far fewer records than usual."""
        return self.statements.records(
            SuspiciousDay, "days/suspicious_days", account_ids=list(account_ids), first_date=first_date
        )

    def open_exposure(self, account_ids: Sequence[str], *, first_date: date) -> list[OpenExposure]:
        """Open exposure of the newest reconciliations, by day and currency."""
        return self.statements.records(
            OpenExposure, "reconciliation/open_exposure", account_ids=list(account_ids), first_date=first_date
        )

    def day_traffic(self, account_ids: Sequence[str], business_dates: Sequence[date]) -> list[HourOfTraffic]:
        """Records of these days by hour, origin and currency."""
        return self.statements.records(
            HourOfTraffic, "days/day_traffic", account_ids=list(account_ids), business_dates=list(business_dates)
        )

    def late_rows(self, account_ids: Sequence[str], business_dates: Sequence[date], *, since: datetime) -> int:
        """Number of records of these days that arrived or changed since an instant."""
        (row,) = self.statements.rows(
            "days/late_rows", account_ids=list(account_ids), business_dates=list(business_dates), since=since
        )
        return int(row["row_count"])

    def file_trend(self, account_ids: Sequence[str], first_date: date, last_date: date) -> dict[date, int]:
        """Rows in the newest files by day; days without files are left out."""
        rows = self.statements.rows(
            "reconciliation/file_trend", account_ids=list(account_ids), first_date=first_date, last_date=last_date
        )
        return {row["business_date"]: row["row_count"] for row in rows}

    def counts_of_day(self, account_ids: Sequence[str], business_date: date) -> BatchCounts:
        """Rows by class over all windows of the day, as of the last load of each."""
        (record,) = self.statements.records(
            BatchCounts, "days/batches_of_day", account_ids=list(account_ids), business_date=business_date
        )
        return record

    def night_accounts(self, account_ids: Sequence[str], business_date: date) -> list[NightAccount]:
        """State of each account's day, by account id."""
        return self.statements.records(
            NightAccount, "operations/night_accounts", account_ids=list(account_ids), business_date=business_date
        )
