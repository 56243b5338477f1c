"""Windows of the switch's API, their state, and the claims that let one process at a time collect a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, Final

from cdr_pipeline.errors import ClaimLost
from cdr_pipeline.warehouse.statement_runner import LedgerTables

# Earlier and later than every window.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2199, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LandedWindow:
    """A window whose pages have landed on disk.

    Attributes:
        starts_at, ends_at: half-open interval of the switch's save time.
        dialect: API dialect in which it was read.
        landing_path: file of its pages, below the landing folder.
        landed_at: time of the request.
        loaded_before: whether it was loaded from earlier pages.
        rows: number of list rows, where it is read from the ledger.
    """

    starts_at: datetime
    ends_at: datetime
    dialect: str
    landing_path: str
    landed_at: datetime
    loaded_before: bool = False
    rows: int = 0


@dataclass(frozen=True, slots=True)
class RecordedWindow:
    """A window of a day with its state.

    Attributes:
        starts_at, ends_at: half-open interval of the switch's save time.
        state: landed, loaded or failed.
        error_code: code of the error of a failed window.
        content_sha256: hash of the window's rows as they landed; None if it never landed.
        dialect, landing_path: API dialect and file of the pages that landed last; None if it never landed.
    """

    starts_at: datetime
    ends_at: datetime
    state: str
    error_code: str | None
    content_sha256: str | None
    dialect: str | None
    landing_path: str | None


@dataclass(frozen=True, slots=True)
class DayWindow:
    """State of a window of a day, and the API dialect in which it was read; None if it never landed."""

    starts_at: datetime
    ends_at: datetime
    state: str
    dialect: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on collecting an account's day.

    Attributes:
        account_id, business_date: the day.
        fence: number of the claim; greater than that of every earlier holder.
        lease_seconds: length of the lease in seconds.
    """

    account_id: str
    business_date: date
    fence: int
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Collection:
    """State of the collection of an account's day.

    Attributes:
        fence: how often a process has claimed the day.
        released_claim: the last holder has released its claim, whether its collection succeeded or not.
        failed: a window of the day could not be collected.
    """

    fence: int
    released_claim: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window that is not loaded yet, with the reason."""

    starts_at: datetime
    ends_at: datetime
    state: str
    error_code: str | None
    error_message: str | None


class WindowTable(LedgerTables):
    """Windows by account and business date, and the claims on collecting them."""

    @cached_property
    def _session(self) -> dict[str, Any]:
        """Process id and start of this connection's session of the server; it keeps its session."""
        (own,) = self.statements.rows("collect/current_session")
        return own

    def collections(self, account_ids: list[str], business_date: date) -> dict[str, Collection]:
        """State of the day's collection by account; accounts whose day was never claimed are left out."""
        rows = self.statements.rows("collect/collections", account_ids=account_ids, business_date=business_date)
        return {row.pop("account_id"): Collection(**row) for row in rows}

    def claim(
        self, account_id: str, business_date: date, *, lease_seconds: float, after: int | None = None
    ) -> Claim | None:
        """Claims the collection of an account's day; None while another live process holds it.

        A process is alive while its session is connected and its lease has not expired by the warehouse's clock. A
        process that hangs past its lease loses the claim: its fence is outdated and it cannot write.

        Args:
            account_id: account that owns the records.
            business_date: day to collect.
            lease_seconds: length of the lease in seconds.
            after: fence of the last known claim, 0 if there was none; the day is then not claimed if another process
                has claimed it since, even if that has released it.
        """
        rows = self.statements.rows(
            "collect/claim_collection",
            account_id=account_id,
            business_date=business_date,
            **self._session,
            lease_seconds=lease_seconds,
            after=after,
        )
        return Claim(account_id, business_date, rows[0]["fence"], lease_seconds) if rows else None

    def renew(self, claim: Claim) -> None:
        """Renews the lease of a claim.

        Raises:
            ClaimLost: another process has claimed the day.
        """
        renewed = self.statements.execute(
            "collect/renew_collection",
            account_id=claim.account_id,
            business_date=claim.business_date,
            fence=claim.fence,
            lease_seconds=claim.lease_seconds,
        )
        if not renewed:
            raise ClaimLost(
                f"account {claim.account_id}: another process has taken over {claim.business_date}",
                hint="nothing is lost: the other process collects the day",
            )

    def release(self, claim: Claim) -> None:
        """Releases a claim; does nothing if another process has claimed the day since."""
        self.statements.execute(
            "collect/release_collection",
            account_id=claim.account_id,
            business_date=claim.business_date,
            fence=claim.fence,
        )

    def record_landed(
        self,
        *,
        claim: Claim,
        window: LandedWindow,
        rows: int,
        content_sha256: str,
        failures: bool = True,
    ) -> None:
        """Records that all pages of a window are on disk, and clears failed attempts that the window covers.

        Args:
            claim: claim of this process on the day.
            window: the window.
            rows: number of list rows.
            content_sha256: hash of the list rows.
            failures: whether the day may have failed attempts.

        Raises:
            ClaimLost: another process collects the day.
        """
        with self.connection.transaction():
            self.renew(claim)
            if failures:
                self._forget_failures(claim, window.starts_at, window.ends_at)
            self.statements.execute(
                "collect/record_landed_window",
                account_id=claim.account_id,
                business_date=claim.business_date,
                starts_at=window.starts_at,
                ends_at=window.ends_at,
                dialect=window.dialect,
                landing_path=window.landing_path,
                rows=rows,
                content_sha256=content_sha256,
                now=window.landed_at,
            )

    def forget_failures(self, claim: Claim) -> None:
        """Clears all failed attempts of a day, once every window that the day needs has landed.

        Raises:
            ClaimLost: another process collects the day.
        """
        with self.connection.transaction():
            self.renew(claim)
            self._forget_failures(claim, _FIRST, _LAST)

    def _forget_failures(self, claim: Claim, starts_at: datetime, ends_at: datetime) -> None:
        span: dict[str, Any] = {
            "account_id": claim.account_id,
            "business_date": claim.business_date,
            "starts_at": starts_at,
            "ends_at": ends_at,
        }
        self.statements.execute("collect/forget_failed_windows", **span)
        self.statements.execute("collect/restore_failed_windows", **span)

    def confirm_window(
        self, *, claim: Claim, starts_at: datetime, ends_at: datetime, now: datetime, load: bool
    ) -> None:
        """Records that a window was fetched again and has not changed.

        Args:
            claim: claim of this process on the day.
            starts_at: start of the window.
            ends_at: end of the window.
            now: time of the request.
            load: whether to load it again; its rules may have changed.

        Raises:
            ClaimLost: another process collects the day.
        """
        with self.connection.transaction():
            self.renew(claim)
            self.statements.execute(
                "collect/confirm_window",
                account_id=claim.account_id,
                business_date=claim.business_date,
                starts_at=starts_at,
                ends_at=ends_at,
                load=load,
                now=now,
            )

    def recorded_windows(self, account_id: str, business_date: date) -> list[RecordedWindow]:
        """All windows of the day, by time."""
        return self.statements.records(
            RecordedWindow, "collect/recorded_windows", account_id=account_id, business_date=business_date
        )

    def windows_in_dialects(
        self, account_id: str, dialects: Sequence[str], *, since: datetime
    ) -> dict[date, list[tuple[datetime, datetime]]]:
        """Start and end of the windows that landed in one of the API dialects since an instant, by business date."""
        windows: dict[date, list[tuple[datetime, datetime]]] = {}
        for row in self.statements.rows(
            "collect/windows_in_dialects", account_id=account_id, dialects=list(dialects), since=since
        ):
            windows.setdefault(row["business_date"], []).append((row["starts_at"], row["ends_at"]))
        return windows

    def mark_window_outdated(
        self,
        account_id: str,
        business_date: date,
        span: tuple[datetime, datetime],
        *,
        error_code: str,
        error_message: str,
        now: datetime,
    ) -> None:
        """Marks a window to be fetched again because its request was wrong; until then the day is incomplete."""
        self.statements.execute(
            "collect/mark_window_outdated",
            account_id=account_id,
            business_date=business_date,
            starts_at=span[0],
            ends_at=span[1],
            error_code=error_code,
            error_message=error_message,
            now=now,
        )

    def outdated_days(self, account_ids: Sequence[str], error_code: str) -> dict[str, list[date]]:
        """Days with a window that was marked to be fetched again with this error code, newest first, by account."""
        days: dict[str, list[date]] = {}
        for account_id, day in self.statements.tuples(
            "collect/outdated_windows", account_ids=list(account_ids), error_code=error_code
        ):
            days.setdefault(account_id, []).append(day)
        return days

    def record_failed(
        self,
        *,
        claim: Claim,
        starts_at: datetime,
        ends_at: datetime,
        error_code: str,
        error_message: str,
        now: datetime,
    ) -> None:
        """Records that a window could not be collected.

        Raises:
            ClaimLost: another process collects the day.
        """
        with self.connection.transaction():
            self.renew(claim)
            self.statements.execute(
                "collect/record_failed_window",
                account_id=claim.account_id,
                business_date=claim.business_date,
                starts_at=starts_at,
                ends_at=ends_at,
                error_code=error_code,
                error_message=error_message,
                now=now,
            )

    def to_load(
        self, account_ids: list[str], business_date: date, *, others: bool = True, replay: bool = False
    ) -> dict[str, dict[date, list[LandedWindow]]]:
        """Landed windows to load, in order, by account and business date.

        Args:
            account_ids: ids of accounts.
            business_date: day to load.
            others: whether to return windows of other days too that are not loaded yet.
            replay: whether to return all windows of the day that have pages on disk, and none of other days.
        """
        windows: dict[str, dict[date, list[LandedWindow]]] = {}
        for account_id, day, *window in self.statements.tuples(
            "collect/windows_to_load",
            account_ids=account_ids,
            business_date=business_date,
            others=others and not replay,
            replay=replay,
        ):
            windows.setdefault(account_id, {}).setdefault(day, []).append(LandedWindow(*window))
        return windows

    def of_days(
        self, account_ids: Sequence[str], business_dates: Sequence[date]
    ) -> dict[tuple[str, date], list[DayWindow]]:
        """All windows of accounts on business dates, by account and date."""
        windows: dict[tuple[str, date], list[DayWindow]] = {}
        for account_id, day, *window in self.statements.tuples(
            "collect/windows_of_days", account_ids=list(account_ids), business_dates=list(business_dates)
        ):
            windows.setdefault((account_id, day), []).append(DayWindow(*window))
        return windows

    def known_details(self, account_id: str, record_ids: list[str]) -> set[str]:
        """Those of the given record ids whose detail document is already in the warehouse."""
        rows = self.statements.rows("collect/records_with_details", account_id=account_id, record_ids=record_ids)
        return {row["record_id"] for row in rows}
