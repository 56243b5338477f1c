"""The ledger: accounts, windows, uploads, days and files.

It is the truth about what was done; Dagster's own database can be lost without losing anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import polars as pl
from psycopg import Connection
from psycopg.rows import dict_row

from cdr_pipeline.core.accounting import BatchCounts
from cdr_pipeline.core.volume import Volume
from cdr_pipeline.errors import AccountNotFound, ClaimLost
from cdr_pipeline.warehouse.statements import statement

UPLOAD_STATES: Final = ("landed", "held", "loaded", "refused", "discarded")


@dataclass(frozen=True, slots=True)
class Account:
    """A node of the account tree.

    Attributes:
        account_id: the switch's id.
        name: for people.
        parent_id: the account above it, if any.
        time_zone: IANA name; decides the business date of its calls.
        country_code: E.164 country code of national numbers, digits only, if known.
        dialect: what its switch was found to speak, if contacted.
        active: whether the nightly run collects it.
    """

    account_id: str
    name: str = ""
    parent_id: str | None = None
    time_zone: str = "UTC"
    country_code: str | None = None
    dialect: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class LandedWindow:
    """A window whose pages are on disk."""

    starts_at: datetime
    ends_at: datetime
    dialect: str
    landing_path: str
    landed_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on collecting an account's day; its fence is greater than that of everyone who held it before."""

    account_id: str
    business_date: date
    fence: int
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window that is not loaded yet, and why."""

    starts_at: datetime
    ends_at: datetime
    state: str
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """What the ledger knows of an uploaded file; ``counts`` once it is loaded."""

    state: str
    profile: str
    file_name: str
    landing_path: str
    error_code: str | None
    error_message: str | None
    counts: BatchCounts | None


@dataclass(frozen=True, slots=True)
class LandedUpload:
    """A file that has come in and is not merged yet."""

    account_id: str
    sha256: str
    profile: str
    time_zone: str | None
    file_name: str
    landing_path: str
    corrects: str | None = None
    released: bool = False


@dataclass(frozen=True, slots=True)
class UploadLine:
    """One line of ``cdr-pipeline uploads list``; the row counts are None until it is loaded."""

    account_id: str
    sha256: str
    profile: str
    time_zone: str | None
    file_name: str
    landing_path: str
    state: str
    received_at: datetime
    corrects: str | None
    file_date: date | None
    file_sequence: int | None
    overlap_rows: int | None
    decided_by: str | None
    error_code: str | None
    error_message: str | None
    rows_read: int | None
    rows_inserted: int | None
    rows_updated: int | None
    rows_rejected: int | None


@dataclass(frozen=True, slots=True)
class DayLedger:
    """What the ledger knows of an account's day, for its manifest."""

    complete_through: datetime | None
    changes: int
    rejected_rows: int


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


class Ledger:
    """Reads and writes the ledger over one connection; each call is its own transaction unless one is open."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection

    # accounts

    def add_account(self, account: Account, *, now: datetime) -> None:
        """Makes an account known, or changes it. Its dialect is not touched."""
        self._execute(
            "ledger/add_account",
            account_id=account.account_id,
            name=account.name,
            parent_id=account.parent_id,
            time_zone=account.time_zone,
            country_code=account.country_code,
            active=account.active,
            now=now,
        )

    def all_accounts(self) -> list[Account]:
        """Every account, inactive ones included, in the order of their ids."""
        return [Account(**row) for row in self._rows("read/accounts")]

    def accounts(self, only: Sequence[str] | None = None) -> list[Account]:
        """Active accounts, or those named, in the order of their ids.

        Raises:
            AccountNotFound: one of those named is unknown.
        """
        known = {account.account_id: account for account in self.all_accounts()}
        if only is None:
            return [account for account in known.values() if account.active]
        unknown = [account_id for account_id in only if account_id not in known]
        if unknown:
            raise AccountNotFound(
                f"no such account in the warehouse: {', '.join(unknown)}",
                hint="'cdr-pipeline accounts list' shows the known ones, 'cdr-pipeline accounts add' makes one known",
            )
        return [known[account_id] for account_id in sorted(set(only))]

    def record_dialect(self, account_id: str, dialect: str) -> None:
        """Remembers which dialect the switch speaks for an account."""
        self._execute("ledger/record_dialect", account_id=account_id, dialect=dialect)

    # windows

    def claim(self, account_id: str, business_date: date, *, lease_seconds: float) -> Claim | None:
        """The right to collect an account's day, None while another process that is alive holds it.

        It is alive when its session is connected and its lease has not run out by the warehouse's clock. Whoever is
        taken for dead and is not finds its fence outdated when it records something.
        """
        place: dict[str, Any] = {"account_id": account_id, "business_date": business_date}
        with self.connection.transaction():
            self._execute("ledger/open_collection", **place)
            (held,) = self._rows("ledger/lock_collection", **place)
            if held.pop("leased"):
                fence = held.pop("fence")
                (session,) = self._rows("read/session_alive", **held)
                if session["alive"]:
                    return None
            else:
                fence = held["fence"]
            (own,) = self._rows("read/own_session")
            claim = Claim(account_id, business_date, fence + 1, lease_seconds)
            self._execute("ledger/take_collection", **place, **own, fence=claim.fence, lease_seconds=lease_seconds)
        return claim

    def renew(self, claim: Claim) -> None:
        """Keeps a claim for another lease.

        Raises:
            ClaimLost: another process has it.
        """
        renewed = self._execute(
            "ledger/renew_collection",
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
            "ledger/release_collection",
            account_id=claim.account_id,
            business_date=claim.business_date,
            fence=claim.fence,
        )

    def record_landed_window(
        self,
        *,
        claim: Claim,
        window: LandedWindow,
        rows: int,
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
            self._execute("ledger/forget_failed_windows", **place)
            self._execute(
                "ledger/record_landed_window",
                **place,
                dialect=window.dialect,
                landing_path=window.landing_path,
                rows=rows,
                now=window.landed_at,
            )

    def record_failed_window(
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
                "ledger/record_failed_window",
                account_id=claim.account_id,
                business_date=claim.business_date,
                starts_at=starts_at,
                ends_at=ends_at,
                error_code=error_code,
                error_message=error_message,
                now=now,
            )

    def landed_windows(self, account_id: str, business_date: date, *, replay: bool = False) -> list[LandedWindow]:
        """Windows of the day that wait to be loaded; with ``replay`` every one whose pages are on disk."""
        rows = self._rows("read/landed_windows", account_id=account_id, business_date=business_date, replay=replay)
        return [LandedWindow(**row) for row in rows]

    def open_windows(self, account_id: str, business_date: date) -> list[OpenWindow]:
        """Windows of the day that are not loaded: what keeps it from being complete."""
        rows = self._rows("read/open_windows", account_id=account_id, business_date=business_date)
        return [OpenWindow(**row) for row in rows]

    def loaded_windows(self, account_id: str, business_date: date) -> list[tuple[datetime, datetime]]:
        """Start and end of the day's windows that are in the warehouse."""
        rows = self._rows("read/loaded_windows", account_id=account_id, business_date=business_date)
        return [(row["starts_at"], row["ends_at"]) for row in rows]

    def known_details(self, account_id: str, record_ids: list[str]) -> set[str]:
        """Which of these records have their detail document in the warehouse already."""
        rows = self._rows("read/known_details", account_id=account_id, record_ids=record_ids)
        return {row["record_id"] for row in rows}

    # uploads

    def upload(self, account_id: str, sha256: str) -> UploadRecord | None:
        """The upload of these bytes, if it came in before."""
        rows = self._rows("read/upload", account_id=account_id, sha256=sha256)
        if not rows:
            return None
        row = rows[0]
        names = ("read", "inserted", "updated", "unchanged", "duplicate", "rejected", "filtered")
        numbers = {name: row.pop(f"rows_{name}") for name in names}
        counts = None if numbers["read"] is None else BatchCounts(**numbers)
        return UploadRecord(**row, counts=counts)

    def landed_uploads(self, account_ids: list[str]) -> list[LandedUpload]:
        """Uploads of these accounts that wait to be loaded, in the order in which they came."""
        return [LandedUpload(**row) for row in self._rows("read/landed_uploads", account_ids=account_ids)]

    def record_landed_upload(
        self,
        *,
        account_id: str,
        sha256: str,
        profile: str,
        time_zone: str | None,
        file_name: str,
        size: int,
        landing_path: str,
        now: datetime,
        corrects: str | None = None,
        file_date: date | None = None,
        file_sequence: int | None = None,
    ) -> None:
        """A file has come in: by itself, or to correct rejected lines of the upload ``corrects``."""
        self._execute(
            "ledger/record_landed_upload",
            account_id=account_id,
            sha256=sha256,
            profile=profile,
            time_zone=time_zone,
            file_name=file_name,
            bytes=size,
            landing_path=landing_path,
            now=now,
            corrects=corrects,
            file_date=file_date,
            file_sequence=file_sequence,
        )

    def uploads(
        self, account_ids: list[str], *, sha256_prefix: str = "", states: Sequence[str] = UPLOAD_STATES
    ) -> list[UploadLine]:
        """Uploads of these accounts in these states, newest first."""
        rows = self._rows("read/uploads", account_ids=account_ids, sha256_prefix=sha256_prefix, states=list(states))
        return [UploadLine(**row) for row in rows]

    def record_held_upload(
        self, *, account_id: str, sha256: str, overlap_rows: int, error_code: str, error_message: str
    ) -> None:
        """A file repeats records of another one and waits for a person."""
        self._execute(
            "ledger/record_held_upload",
            account_id=account_id,
            sha256=sha256,
            overlap_rows=overlap_rows,
            error_code=error_code,
            error_message=error_message,
        )

    def decide_upload(self, *, account_id: str, sha256: str, release: bool, decided_by: str, now: datetime) -> bool:
        """A person lets a held file be loaded, or never; False when it was not held."""
        state = "landed" if release else "discarded"
        return bool(
            self._execute(
                "ledger/decide_upload",
                account_id=account_id,
                sha256=sha256,
                state=state,
                decided_by=decided_by,
                now=now,
            )
        )

    def rejects(self, account_id: str, source: str, *, state: str = "open") -> pl.DataFrame:
        """Rejected rows of a source: ``line, field, reason, raw``, in the order of lines."""
        rows = self._rows("read/rejects", account_id=account_id, source=source, state=state)
        schema = {"line": pl.Int64, "field": pl.String, "reason": pl.String, "raw": pl.String}
        return pl.DataFrame(rows, schema=schema)

    def reject_sources(self, account_ids: list[str], *, state: str = "open") -> list[dict[str, Any]]:
        """Rejected rows by account, origin, source, reason and field, with ``row_count`` and ``first_line``."""
        return self._rows("read/reject_sources", account_ids=account_ids, state=state)

    def record_refused_upload(self, *, account_id: str, sha256: str, error_code: str, error_message: str) -> None:
        """A file could not be opened as its profile says."""
        self._execute(
            "ledger/record_refused_upload",
            account_id=account_id,
            sha256=sha256,
            error_code=error_code,
            error_message=error_message,
        )

    # days and files

    def day_volumes(self, account_id: str, business_dates: list[date]) -> dict[date, int]:
        """The switch's records on those of the days that were collected whole."""
        rows = self._rows("read/day_volumes", account_id=account_id, business_dates=business_dates)
        return {row["business_date"]: row["row_count"] for row in rows}

    def count_records(self, account_id: str, business_date: date) -> int:
        """The switch's records of a day."""
        (row,) = self._rows("read/count_records", account_id=account_id, business_date=business_date)
        return int(row["row_count"])

    def record_collected_day(
        self, *, account_id: str, business_date: date, complete_through: datetime, volume: Volume, now: datetime
    ) -> None:
        """Every window of the day is loaded, and its volume has been judged."""
        self._execute(
            "ledger/record_collected_day",
            account_id=account_id,
            business_date=business_date,
            complete_through=complete_through,
            volume=volume.verdict,
            usual_rows=volume.usual_rows,
            now=now,
        )

    def day(self, account_id: str, business_date: date) -> DayLedger:
        """What the manifest of the day says beyond its rows, and how often its records have changed."""
        (row,) = self._rows("read/day_ledger", account_id=account_id, business_date=business_date)
        return DayLedger(**row)

    def days_to_export(self, account_ids: list[str]) -> list[tuple[str, date]]:
        """Open account-days whose file does not show the latest change of their records."""
        rows = self._rows("read/days_to_export", account_ids=account_ids)
        return [(row["account_id"], row["business_date"]) for row in rows]

    def record_export_file(
        self,
        *,
        account_id: str,
        business_date: date,
        version: int,
        dialect: str,
        path: str,
        sha256: str,
        size: int,
        rows: int,
        changes: int,
        now: datetime,
    ) -> None:
        """A daily file and its manifest are on disk and show the day's first ``changes`` changes."""
        with self.connection.transaction():
            self._execute(
                "ledger/record_export_file",
                account_id=account_id,
                business_date=business_date,
                version=version,
                dialect=dialect,
                path=path,
                sha256=sha256,
                bytes=size,
                rows=rows,
                now=now,
            )
            self._execute(
                "ledger/record_exported_day",
                account_id=account_id,
                business_date=business_date,
                changes=changes,
                now=now,
            )

    def status(self, account_ids: list[str], first_date: date, last_date: date) -> list[DayStatus]:
        """What is in the warehouse, per account and day."""
        rows = self._rows("read/status", account_ids=account_ids, first_date=first_date, last_date=last_date)
        return [DayStatus(**row) for row in rows]

    def reject_reasons(self, account_ids: list[str]) -> list[dict[str, Any]]:
        """Rejected rows by ``account_id, origin, reason, field`` with ``row_count``."""
        return self._rows("read/reject_reasons", account_ids=account_ids)

    def _execute(self, name: str, /, **parameters: object) -> int:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.execute(statement(name), parameters)
            return cursor.rowcount

    def _rows(self, name: str, /, **parameters: object) -> list[dict[str, Any]]:
        with self.connection.transaction(), self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(statement(name), parameters)
            return cursor.fetchall()
