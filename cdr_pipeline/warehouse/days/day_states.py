"""States of days: who may change them now, what stands in the way, what was sealed, and who did it."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID, uuid4

from cdr_pipeline.warehouse.statement_runner import LedgerTables

_FIRST = date(1990, 1, 1)
_LAST = date(2149, 12, 31)


@dataclass(frozen=True, slots=True)
class DayObstacles:
    """What is under way that may yet change a day."""

    open_windows: int
    waiting_uploads: int
    collecting: int


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file of a version of a day; ``manifest`` is its text where the day is sealed."""

    account_id: str
    business_date: date
    version: int
    dialect: str
    path: str
    sha256: str
    content_sha256: str | None
    size: int
    rows: int
    manifest: str | None


@dataclass(frozen=True, slots=True)
class DayLine:
    """One line of ``cdr-pipeline days list``; ``state`` may be late_pending."""

    account_id: str
    business_date: date
    state: str
    version: int
    complete_through: datetime | None
    sealed_at: datetime | None
    changed_at: datetime | None
    volume: str | None
    rows: int | None
    sha256: str | None
    path: str | None
    late_rows: int


@dataclass(frozen=True, slots=True)
class DayEvent:
    """A seal or a restatement: who, when, why, against which obstacles, and the exact file's hash before and after."""

    event: str
    version: int
    actor: str
    reason: str
    overridden: list[str]
    before_sha256: str | None
    after_sha256: str
    happened_at: datetime
    run_id: str | None


@dataclass(frozen=True, slots=True)
class DayBatch:
    """A load that brought records of a day or replaced some."""

    batch_id: UUID
    kind: str
    source: str
    file_name: str | None
    profile: str | None
    loaded_at: datetime
    run_id: str | None
    records: int
    replaced: int


@dataclass(frozen=True, slots=True)
class RecordLocation:
    """Where a record stands."""

    account_id: str
    business_date: date
    origin: str
    record_id: str
    changed_at: datetime
    state: str
    version: int
    path: str | None


class DayStateTable(LedgerTables):
    """States of days, by account and business date."""

    @contextmanager
    def lock_for_export(self, account_id: str, business_date: date) -> Generator[None]:
        """A transaction in which nobody else exports or seals the day, after those who are at it; loads go on."""
        with self.connection.transaction():
            self._execute("days/ensure_day", account_id=account_id, business_date=business_date)
            self._rows("days/lock_day_shared", account_id=account_id, business_date=business_date)
            self._rows("days/lock_export", account_id=account_id, business_date=business_date)
            yield

    @contextmanager
    def lock(self, account_id: str, business_date: date) -> Generator[bool]:
        """A transaction in which nobody else exports, seals or restates the day, after those who are at it.

        Yields:
            Whether no load of the account runs; none begins until the transaction ends.
        """
        with self.connection.transaction():
            self._execute("days/ensure_day", account_id=account_id, business_date=business_date)
            self._rows("days/lock_day", account_id=account_id, business_date=business_date)
            (found,) = self._rows("days/try_lock_out_loads", account_id=account_id)
            yield bool(found["quiet"])

    def obstacles(self, account_id: str, business_date: date) -> DayObstacles:
        """What is under way that may yet change the day."""
        (row,) = self._rows("days/day_obstacles", account_id=account_id, business_date=business_date)
        return DayObstacles(**row)

    def record_final(
        self,
        *,
        account_id: str,
        business_date: date,
        event: Literal["sealed", "restated"],
        version: int,
        changes: int,
        actor: str,
        reason: str,
        overridden: Sequence[str],
        before_sha256: str | None,
        after_sha256: str,
        now: datetime,
        run_id: str | None,
    ) -> None:
        """The day is sealed, or restated, and by whom; its manifests are to be announced next."""
        day = {"account_id": account_id, "business_date": business_date, "version": version, "now": now}
        with self.connection.transaction():
            self._execute("days/record_final_day", **day, state=event, changes=changes)
            self._execute(
                "days/add_day_event",
                **day,
                event_id=uuid4(),
                event=event,
                actor=actor,
                reason=reason,
                overridden=list(overridden),
                before_sha256=before_sha256,
                after_sha256=after_sha256,
                run_id=run_id,
            )

    def record_published(self, account_id: str, business_date: date, version: int, *, now: datetime) -> None:
        """The version's manifests are in place."""
        self._execute(
            "days/record_published_day",
            account_id=account_id,
            business_date=business_date,
            version=version,
            now=now,
        )

    def record_unchanged(self, account_id: str, business_date: date, *, changes: int) -> None:
        """The sealed day's file shows its first ``changes`` changes after all."""
        self._execute("days/record_unchanged_day", account_id=account_id, business_date=business_date, changes=changes)

    def files(self, account_id: str, business_date: date, version: int) -> list[ExportFile]:
        """Files of a version of a day."""
        rows = self._rows("days/export_files", account_id=account_id, business_date=business_date, version=version)
        return [ExportFile(**row) for row in rows]

    def open_files(self, account_ids: Sequence[str]) -> list[ExportFile]:
        """Files of open days, as their export recorded them."""
        return [ExportFile(**row) for row in self._rows("days/open_files", account_ids=list(account_ids))]

    def in_state(
        self,
        account_ids: Sequence[str],
        what: Literal["open", "late", "unpublished"],
        *,
        first_date: date = _FIRST,
        last_date: date = _LAST,
    ) -> list[tuple[str, date]]:
        """Account-days that are open; that are sealed and have late records; whose manifests are not in place."""
        rows = self._rows(
            "days/days_in_state",
            account_ids=list(account_ids),
            first_date=first_date,
            last_date=last_date,
            what=what,
        )
        return [(row["account_id"], row["business_date"]) for row in rows]

    def lines(self, account_ids: Sequence[str], first_date: date, last_date: date) -> list[DayLine]:
        """Days with their state and newest file."""
        rows = self._rows("days/days", account_ids=list(account_ids), first_date=first_date, last_date=last_date)
        return [DayLine(**row) for row in rows]

    def events(self, account_id: str, business_date: date) -> list[DayEvent]:
        """Who sealed and restated the day, oldest first."""
        rows = self._rows("days/day_events", account_id=account_id, business_date=business_date)
        return [DayEvent(**row) for row in rows]

    def batches(self, account_id: str, business_date: date) -> list[DayBatch]:
        """Loads that touched the day, oldest first."""
        rows = self._rows("days/day_batches", account_id=account_id, business_date=business_date)
        return [DayBatch(**row) for row in rows]

    def record_locations(self, account_ids: Sequence[str], record_id: str) -> list[RecordLocation]:
        """Where a record of that id stands."""
        rows = self._rows("records/record_locations", account_ids=list(account_ids), record_id=record_id)
        return [RecordLocation(**row) for row in rows]
