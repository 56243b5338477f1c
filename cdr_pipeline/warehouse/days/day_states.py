"""States of days: locks, obstacles to sealing, seals and restatements, and the history of a day."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal
from uuid import UUID, uuid4

from cdr_pipeline.warehouse.accounts.changes import ChangeTable
from cdr_pipeline.warehouse.statement_runner import LedgerTables

_FIRST = date(1990, 1, 1)
_LAST = date(2149, 12, 31)


@dataclass(frozen=True, slots=True)
class DayObstacles:
    """Counts of unfinished work that may still change a day."""

    open_windows: int
    waiting_uploads: int
    collecting: int


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file of a version of a day.

    ``path`` is below the export folder, ``size`` in bytes. ``content_sha256`` is the hash of the rows in the exact
    dialect, equal in all dialects. ``manifest`` is the text of the manifest; None for an open day.
    """

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
    """One line of ``cdr-pipeline days list``; ``state`` can also be ``late_pending``.

    ``late_rows`` is the number of rows that changed since the file of a late day was written. It is None if nothing can
    be counted before the day is restated: removed links and erased values leave no time.
    """

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
    late_rows: int | None = 0


@dataclass(frozen=True, slots=True)
class DayEvent:
    """A seal or a restatement of a day.

    Attributes:
        event: sealed or restated.
        version: version of the day that it created.
        actor: person responsible.
        reason: reason given by the actor.
        overridden: obstacles that the actor overrode.
        before_sha256, after_sha256: hash of the exact file before and after.
        happened_at: time of the event.
        run_id: run of the orchestrator, if any.
    """

    event: Literal["sealed", "restated"]
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
    """A load that inserted or replaced records of a day."""

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
    """The day and the file that contain a record."""

    account_id: str
    business_date: date
    origin: str
    record_id: str
    changed_at: datetime
    state: str
    version: int
    path: str | None


@dataclass(frozen=True, slots=True)
class RecordSource:
    """What delivered a record.

    Attributes:
        origin, record_id, business_date: the record.
        source_line: line of the file, or position in the window.
        loaded_at: time of the load; None for a load that is not on record.
        file_name, profile, sha256: imported file; None for a record of the switch.
    """

    origin: str
    record_id: str
    business_date: date
    source_line: int
    loaded_at: datetime | None
    file_name: str | None
    profile: str | None
    sha256: str | None


class DayStateTable(LedgerTables):
    """States of days, by account and business date."""

    @contextmanager
    def lock_for_export(self, account_id: str, business_date: date) -> Generator[None]:
        """Open a transaction that blocks other exports and seals of the day; waits for running ones. Loads go on."""
        with self.connection.transaction():
            self._lock_row("days/lock_day_shared", account_id, business_date)
            self.statements.rows("days/lock_export", account_id=account_id, business_date=business_date)
            yield

    @contextmanager
    def lock(self, account_id: str, business_date: date) -> Generator[bool]:
        """Open a transaction that blocks other exports, seals and restatements of the day; waits for running ones.

        Yields:
            Whether no load of the account is running. If so, none can start until the transaction ends.
        """
        with self.connection.transaction():
            self._lock_row("days/lock_day", account_id, business_date)
            (row,) = self.statements.rows("days/try_lock_out_loads", account_id=account_id)
            yield bool(row["quiet"])

    def _lock_row(self, lock: str, account_id: str, business_date: date) -> None:
        """Locks the row of a day with a statement, and creates it if it is missing."""
        day = {"account_id": account_id, "business_date": business_date}
        if not self.statements.rows(lock, **day):
            self.statements.execute("days/ensure_day", **day)
            self.statements.rows(lock, **day)

    def obstacles(self, account_id: str, business_date: date) -> DayObstacles:
        """Counts the unfinished work that may still change the day."""
        (record,) = self.statements.records(
            DayObstacles, "days/day_obstacles", account_id=account_id, business_date=business_date
        )
        return record

    def record_final(self, account_id: str, business_date: date, event: DayEvent, *, changes: int) -> None:
        """Records that the day is sealed or restated; its manifests are announced afterwards.

        The caller has opened the transaction and locked the day.

        Args:
            account_id: account that owns the records.
            business_date: the day.
            event: the seal or restatement.
            changes: number of changes of the day that its file shows.
        """
        day = {
            "account_id": account_id,
            "business_date": business_date,
            "version": event.version,
            "now": event.happened_at,
        }
        self.statements.execute("days/record_final_day", **day, state=event.event, changes=changes)
        self.statements.execute(
            "days/add_day_event",
            **day,
            event_id=uuid4(),
            event=event.event,
            actor=event.actor,
            reason=event.reason,
            overridden=event.overridden,
            before_sha256=event.before_sha256,
            after_sha256=event.after_sha256,
            run_id=event.run_id,
        )
        ChangeTable(self.connection).add(
            account_id,
            event.event,
            [business_date],
            now=event.happened_at,
            details={"version": event.version, "sha256": event.after_sha256},
        )

    def record_published(self, days: Sequence[tuple[str, date, int]], *, now: datetime) -> None:
        """Records that the manifests of versions are on disk.

        Args:
            days: account, business date and version of each.
            now: current time.
        """
        with self.connection.transaction():
            # After a crash of the server, the manifests are written again, with the same bytes.
            self.connection.execute("SET LOCAL synchronous_commit = off", prepare=False)
            self.statements.execute(
                "days/record_published_days",
                account_ids=[account_id for account_id, _, _ in days],
                business_dates=[business_date for _, business_date, _ in days],
                versions=[version for _, _, version in days],
                now=now,
            )

    def record_unchanged(self, account_id: str, business_date: date, *, changes: int) -> None:
        """Records that the sealed day's file shows the first ``changes`` changes: late changes cancelled out."""
        self.statements.execute(
            "days/record_unchanged_day", account_id=account_id, business_date=business_date, changes=changes
        )

    def files(self, account_id: str, business_date: date, version: int) -> list[ExportFile]:
        """Files of a version of a day."""
        return self.statements.records(
            ExportFile, "days/export_files", account_id=account_id, business_date=business_date, version=version
        )

    def open_files(self, account_ids: Sequence[str]) -> list[ExportFile]:
        """Files of open days, as recorded by their last export."""
        return self.statements.records(ExportFile, "days/open_files", account_ids=list(account_ids))

    def in_state(
        self,
        account_ids: Sequence[str],
        what: Literal["open", "late", "unpublished"],
        *,
        first_date: date = _FIRST,
        last_date: date = _LAST,
    ) -> list[tuple[str, date]]:
        """Account-days that need work.

        Args:
            account_ids: accounts that own the days.
            what: ``open`` for days that are not sealed, ``late`` for sealed days with late records, ``unpublished``
                for sealed days whose manifests are not on disk.
            first_date: first business date to look at.
            last_date: last business date to look at.
        """
        rows = self.statements.rows(
            "days/days_in_state",
            account_ids=list(account_ids),
            first_date=first_date,
            last_date=last_date,
            what=what,
        )
        return [(row["account_id"], row["business_date"]) for row in rows]

    def lines(self, account_ids: Sequence[str], first_date: date, last_date: date) -> list[DayLine]:
        """Days with their state and their newest file."""
        span = {"account_ids": list(account_ids), "first_date": first_date, "last_date": last_date}
        lines = self.statements.records(DayLine, "days/days", **span)
        if not any(line.state == "late_pending" for line in lines):
            return lines
        counted = self.statements.rows("days/count_late_rows", **span)
        late_rows = {(row["account_id"], row["business_date"]): row["late_rows"] for row in counted}
        return [
            replace(line, late_rows=late_rows.get((line.account_id, line.business_date)))
            if line.state == "late_pending"
            else line
            for line in lines
        ]

    def events(self, account_id: str, business_date: date) -> list[DayEvent]:
        """Seals and restatements of the day, oldest first."""
        return self.statements.records(DayEvent, "days/day_events", account_id=account_id, business_date=business_date)

    def batches(self, account_id: str, business_date: date) -> list[DayBatch]:
        """Loads that changed the day, oldest first."""
        return self.statements.records(DayBatch, "days/day_batches", account_id=account_id, business_date=business_date)

    def record_sources(
        self, account_id: str, record_ids: Sequence[str], first_date: date, last_date: date
    ) -> list[RecordSource]:
        """Loads of records, with file and line, between two business dates."""
        return self.statements.records(
            RecordSource,
            "records/record_sources",
            account_id=account_id,
            record_ids=list(record_ids),
            first_date=first_date,
            last_date=last_date,
        )

    def record_locations(self, account_ids: Sequence[str], record_id: str) -> list[RecordLocation]:
        """Days and files that contain a record of this id."""
        return self.statements.records(
            RecordLocation, "records/record_locations", account_ids=list(account_ids), record_id=record_id
        )
