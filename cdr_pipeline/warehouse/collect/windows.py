"""Windows of the switch's API and who collects them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from cdr_pipeline.errors import ClaimLost
from cdr_pipeline.warehouse.statement_runner import LedgerTables

# Before and after every window.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2199, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LandedWindow:
    """A window whose pages are on disk."""

    starts_at: datetime
    ends_at: datetime
    dialect: str
    landing_path: str
    landed_at: datetime


@dataclass(frozen=True, slots=True)
class RecordedWindow:
    """A window of a day and what became of it.

    Attributes:
        starts_at, ends_at: half-open interval of save time.
        state: landed, loaded or failed.
        error_code: of a failed one.
        content_sha256: hash of its rows as they landed; None when they never did.
    """

    starts_at: datetime
    ends_at: datetime
    state: str
    error_code: str | None
    content_sha256: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on collecting an account's day; its fence is greater than that of everyone who held it before."""

    account_id: str
    business_date: date
    fence: int
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Collection:
    """An account's day as its collectors have left it.

    Attributes:
        fence: how often it was taken.
        given_back: whoever had it has finished, well or not.
        failed: a window of it could not be collected.
    """

    fence: int
    given_back: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window that is not loaded yet, and why."""

    starts_at: datetime
    ends_at: datetime
    state: str
    error_code: str | None
    error_message: str | None


class WindowTable(LedgerTables):
    """Windows, by account and business date, and the leases on collecting them."""

    def collections(self, account_ids: list[str], business_date: date) -> dict[str, Collection]:
        """How collectors have left the day of each account that was ever taken."""
        rows = self._rows("collect/collections", account_ids=account_ids, business_date=business_date)
        return {row.pop("account_id"): Collection(**row) for row in rows}

    def claim(self, account_id: str, business_date: date, *, lease_seconds: float) -> Claim | None:
        """The right to collect an account's day, None while another process that is alive holds it.

        It is alive when its session is connected and its lease has not run out by the warehouse's clock. Whoever is
        taken for dead and is not finds its fence outdated when it records something.
        """
        place: dict[str, Any] = {"account_id": account_id, "business_date": business_date}
        with self.connection.transaction():
            self._execute("collect/open_collection", **place)
            (held,) = self._rows("collect/lock_collection", **place)
            if held.pop("leased"):
                fence = held.pop("fence")
                (session,) = self._rows("collect/session_alive", **held)
                if session["alive"]:
                    return None
            else:
                fence = held["fence"]
            (own,) = self._rows("collect/own_session")
            claim = Claim(account_id, business_date, fence + 1, lease_seconds)
            self._execute("collect/take_collection", **place, **own, fence=claim.fence, lease_seconds=lease_seconds)
        return claim

    def renew(self, claim: Claim) -> None:
        """Keeps a claim for another lease.

        Raises:
            ClaimLost: another process has it.
        """
        renewed = self._execute(
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
        """Gives a claim back; one that was lost is left to its holder."""
        self._execute(
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
    ) -> None:
        """A window's pages are on disk, whole; failed attempts that it covers are made good.

        Raises:
            ClaimLost: another process collects the day.
        """
        place: dict[str, Any] = {
            "account_id": claim.account_id,
            "business_date": claim.business_date,
            "starts_at": window.starts_at,
            "ends_at": window.ends_at,
        }
        with self.connection.transaction():
            self.renew(claim)
            self._execute("collect/forget_failed_windows", **place)
            self._execute("collect/restore_failed_windows", **place)
            self._execute(
                "collect/record_landed_window",
                **place,
                dialect=window.dialect,
                landing_path=window.landing_path,
                rows=rows,
                content_sha256=content_sha256,
                now=window.landed_at,
            )

    def forget_failures(self, claim: Claim) -> None:
        """Every window that the day needs has landed: failed attempts of other windows do not count any more.

        Raises:
            ClaimLost: another process collects the day.
        """
        place: dict[str, Any] = {
            "account_id": claim.account_id,
            "business_date": claim.business_date,
            "starts_at": _FIRST,
            "ends_at": _LAST,
        }
        with self.connection.transaction():
            self.renew(claim)
            self._execute("collect/forget_failed_windows", **place)
            self._execute("collect/restore_failed_windows", **place)

    def confirm_window(self, *, claim: Claim, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
        """A window was read again and has the rows that it had.

        Raises:
            ClaimLost: another process collects the day.
        """
        with self.connection.transaction():
            self.renew(claim)
            self._execute(
                "collect/confirm_window",
                account_id=claim.account_id,
                business_date=claim.business_date,
                starts_at=starts_at,
                ends_at=ends_at,
                now=now,
            )

    def recorded_windows(self, account_id: str, business_date: date) -> list[RecordedWindow]:
        """Every window of the day, by time."""
        rows = self._rows("collect/recorded_windows", account_id=account_id, business_date=business_date)
        return [RecordedWindow(**row) for row in rows]

    def windows_in_dialects(
        self, account_id: str, dialects: Sequence[str], *, since: datetime
    ) -> dict[date, list[tuple[datetime, datetime]]]:
        """Start and end of windows that were landed in one of the dialects since an instant, by day."""
        found: dict[date, list[tuple[datetime, datetime]]] = {}
        for row in self._rows(
            "collect/windows_in_dialects", account_id=account_id, dialects=list(dialects), since=since
        ):
            found.setdefault(row["business_date"], []).append((row["starts_at"], row["ends_at"]))
        return found

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
        """A window must be read again because of how it was asked for; until then the day is not whole."""
        self._execute(
            "collect/mark_window_outdated",
            account_id=account_id,
            business_date=business_date,
            starts_at=span[0],
            ends_at=span[1],
            error_code=error_code,
            error_message=error_message,
            now=now,
        )

    def outdated_days(self, account_id: str, error_code: str) -> list[date]:
        """Days with a window that must be read again for a reason, newest first."""
        rows = self._rows("collect/outdated_windows", account_id=account_id, error_code=error_code)
        return [row["business_date"] for row in rows]

    def days_to_load(self, account_id: str, business_date: date) -> list[date]:
        """Days other than one that have windows on disk which are not merged yet, oldest first."""
        rows = self._rows("collect/days_to_load", account_id=account_id, business_date=business_date)
        return [row["business_date"] for row in rows]

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
        """A window could not be collected.

        Raises:
            ClaimLost: another process collects the day.
        """
        with self.connection.transaction():
            self.renew(claim)
            self._execute(
                "collect/record_failed_window",
                account_id=claim.account_id,
                business_date=claim.business_date,
                starts_at=starts_at,
                ends_at=ends_at,
                error_code=error_code,
                error_message=error_message,
                now=now,
            )

    def landed(self, account_id: str, business_date: date, *, replay: bool = False) -> list[LandedWindow]:
        """Windows of the day that wait to be loaded; with ``replay`` every one whose pages are on disk."""
        rows = self._rows("collect/landed_windows", account_id=account_id, business_date=business_date, replay=replay)
        return [LandedWindow(**row) for row in rows]

    def open(self, account_id: str, business_date: date) -> list[OpenWindow]:
        """Windows of the day that are not loaded: what keeps it from being complete."""
        rows = self._rows("collect/open_windows", account_id=account_id, business_date=business_date)
        return [OpenWindow(**row) for row in rows]

    def loaded(self, account_id: str, business_date: date) -> list[tuple[datetime, datetime]]:
        """Start and end of the day's windows that are in the warehouse."""
        rows = self._rows("collect/loaded_windows", account_id=account_id, business_date=business_date)
        return [(row["starts_at"], row["ends_at"]) for row in rows]

    def known_details(self, account_id: str, record_ids: list[str]) -> set[str]:
        """Which of these records have their detail document in the warehouse already."""
        rows = self._rows("collect/known_details", account_id=account_id, record_ids=record_ids)
        return {row["record_id"] for row in rows}
