"""Places where carriers put files, and the files that were seen and fetched there."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Literal

from cdr_pipeline.core.uploads.inbound_files import RemoteFile
from cdr_pipeline.warehouse.statement_runner import LedgerTables

INBOUND_STATES: Final = ("seen", "fetched", "refused")
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class LookedPlace:
    """A place that was looked at: when, whether it was reached, and since when and why it fails."""

    place: str
    first_looked_at: datetime
    looked_at: datetime
    reached_at: datetime | None
    failed_since: datetime | None
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class InboundFile:
    """One version of a file at a place.

    Attributes:
        place, path, stamp: place, path below its folder, and what tells versions apart.
        size, modified_at: bytes and time of the last change, as far as the place says.
        state: ``seen``, ``fetched`` or ``refused``.
        first_seen_at, seen_at: first and last look that showed it.
        attempts: number of attempts to fetch it.
        fetched_at: when it was fetched.
        account_ids, upload_ids: accounts and uploads of a fetched file, in the same order.
        profile: profile that reads it.
        file_date: day of its calls, from its name.
        sha256: hash of its bytes.
        cleared, cleared_at: whether and when it was moved or deleted at the place.
        error_code, error_message: why it was not fetched.
    """

    place: str
    path: str
    stamp: str
    size: int | None
    modified_at: datetime | None
    state: str
    first_seen_at: datetime
    seen_at: datetime
    attempts: int
    fetched_at: datetime | None
    account_ids: list[str]
    upload_ids: list[str]
    profile: str | None
    file_date: date | None
    sha256: str | None
    cleared: str | None
    cleared_at: datetime | None
    error_code: str | None
    error_message: str | None

    def of_accounts(self, accounts: Container[str]) -> "InboundFile":
        """The file with only these of its accounts, and their uploads."""
        kept = [pair for pair in zip(self.account_ids, self.upload_ids, strict=True) if pair[0] in accounts]
        return replace(self, account_ids=[pair[0] for pair in kept], upload_ids=[pair[1] for pair in kept])


@dataclass(frozen=True, slots=True)
class FetchedDate:
    """Accounts and uploads of a fetched file by the date in its name."""

    file_date: date
    account_ids: list[str]
    upload_ids: list[str]


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """What the ledger records about a fetched file; see ``InboundFile``."""

    account_ids: list[str]
    upload_ids: list[str]
    profile: str
    file_date: date | None
    sha256: str


class InboundTable(LedgerTables):
    """Places and their files."""

    def record_look(
        self, place: str, *, now: datetime, error_code: str | None = None, error_message: str | None = None
    ) -> None:
        """Records that a place was looked at; with an error, that it failed."""
        self.statements.execute(
            "inbound/record_look", place=place, now=now, error_code=error_code, error_message=error_message
        )

    def places(self) -> list[LookedPlace]:
        """Places that were looked at, by name."""
        return self.statements.records(LookedPlace, "inbound/places")

    def record_seen(self, place: str, files: Sequence[RemoteFile], *, now: datetime) -> None:
        """Records versions of files that a look has shown."""
        self.statements.execute(
            "inbound/record_seen",
            place=place,
            paths=[file.path for file in files],
            stamps=[file.stamp for file in files],
            sizes=[file.size for file in files],
            modified=[file.modified_at for file in files],
            now=now,
        )

    def of_place(self, place: str, paths: Sequence[str]) -> list[InboundFile]:
        """Known versions of files of a place, by path, the oldest version first."""
        return self.statements.records(InboundFile, "inbound/place_files", place=place, paths=list(paths))

    def list_all(self, states: Sequence[str], *, since: datetime, most: int = _MOST) -> list[InboundFile]:
        """Versions of files in some states that were seen since an instant, newest first."""
        return self.statements.records(
            InboundFile, "inbound/inbound_files", states=list(states), since=since, most=most
        )

    def fetched_dates(self, profile: str, *, since: date, until: date) -> list[FetchedDate]:
        """Fetched files of a profile whose names have a date in a period."""
        return self.statements.records(FetchedDate, "inbound/fetched_dates", profile=profile, since=since, until=until)

    def record_fetched(self, place: str, file: RemoteFile, fetched: FetchedFile, *, now: datetime) -> None:
        """Records that a version of a file was fetched."""
        self.statements.execute(
            "inbound/record_fetched",
            place=place,
            path=file.path,
            stamp=file.stamp,
            account_ids=fetched.account_ids,
            upload_ids=fetched.upload_ids,
            profile=fetched.profile,
            file_date=fetched.file_date,
            sha256=fetched.sha256,
            now=now,
        )

    def record_not_fetched(
        self,
        place: str,
        file: RemoteFile,
        *,
        state: Literal["seen", "refused"],
        error_code: str | None,
        error_message: str | None,
    ) -> None:
        """Records why a version of a file was not fetched."""
        self.statements.execute(
            "inbound/record_not_fetched",
            place=place,
            path=file.path,
            stamp=file.stamp,
            state=state,
            error_code=error_code,
            error_message=error_message,
        )

    def record_cleared(self, place: str, file: RemoteFile, cleared: Literal["moved", "deleted"], now: datetime) -> None:
        """Records that a fetched file was moved or deleted at its place."""
        self.statements.execute(
            "inbound/record_cleared", place=place, path=file.path, stamp=file.stamp, cleared=cleared, now=now
        )
