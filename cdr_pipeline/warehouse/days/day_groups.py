"""One business date of several small accounts: locks, ledger entries and lines, each read or written by one statement.

Only for a single server: a cluster has no transaction over the rows of several accounts that is as cheap.
"""

from collections import Counter
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import uuid4

import orjson
from psycopg import Connection

from cdr_pipeline.warehouse.days.day_states import DayEvent, DayObstacles, ExportFile
from cdr_pipeline.warehouse.days.days import DayRecord
from cdr_pipeline.warehouse.reconciliation.reconciliations import DayReconciliation, ReconciliationTable
from cdr_pipeline.warehouse.records.reading import with_own_line_ends
from cdr_pipeline.warehouse.server.cluster import is_cluster
from cdr_pipeline.warehouse.statement_runner import StatementRunner
from cdr_pipeline.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class DaySeal:
    """A day of an account that is sealed with others.

    Attributes:
        account_id: account that owns the records.
        event: the seal.
        changes: number of changes of the day that its file shows.
    """

    account_id: str
    event: DayEvent
    changes: int


@dataclass(frozen=True, slots=True)
class DayGroup:
    """A business date of several accounts.

    Attributes:
        connection: connection to the warehouse.
        account_ids: ids of the accounts, sorted.
        business_date: the day.
    """

    connection: Connection
    account_ids: list[str]
    business_date: date
    _statements: StatementRunner = field(init=False)

    def __post_init__(self) -> None:
        common = {"account_ids": self.account_ids, "business_date": self.business_date}
        object.__setattr__(self, "_statements", StatementRunner(self.connection, common))

    @classmethod
    def of(cls, connection: Connection, account_ids: Collection[str], business_date: date) -> "DayGroup | None":
        """The group of some accounts; None on a cluster, and for a single account."""
        several = len(account_ids) > 1
        return cls(connection, sorted(account_ids), business_date) if several and not is_cluster(connection) else None

    def sizes(self) -> dict[str, int]:
        """Number of records of the day by account; accounts with linked records are left out."""
        linked = self._linked()
        sizes = dict(self._statements.tuples("days/sizes_of_days"))
        return {account_id: sizes.get(account_id, 0) for account_id in self.account_ids if account_id not in linked}

    def _linked(self) -> set[str]:
        """Accounts with records that are linked as one leg."""
        return {account_id for (account_id,) in self._statements.tuples("days/linked_accounts")}

    @contextmanager
    def lock_for_export(self) -> Generator[None]:
        """Opens a transaction that blocks other exports and seals of the days; waits for running ones. Loads go on."""
        with self.connection.transaction():
            self._lock_rows("days/lock_days_shared")
            self._statements.rows("days/lock_exports")
            yield

    @contextmanager
    def lock(self) -> Generator[frozenset[str]]:
        """Opens a transaction that blocks other exports, seals and restatements of the days; waits for running ones.

        Yields:
            Accounts of which no load is running. None can start until the transaction ends.
        """
        with self.connection.transaction():
            self._lock_rows("days/lock_days")
            loads = self._statements.tuples("days/try_lock_out_loads_of_accounts")
            yield frozenset(account_id for account_id, quiet in loads if quiet)

    def _lock_rows(self, lock: str) -> None:
        if len(self._statements.tuples(lock)) < len(self.account_ids):
            self._statements.execute("days/ensure_days")
            self._statements.tuples(lock)

    def entries(self) -> dict[str, DayRecord]:
        """Ledger entry of the day by account; the days are locked."""
        rows = self._statements.rows("days/ledger_of_days")
        return {row.pop("account_id"): DayRecord(**row) for row in rows}

    def files(self) -> dict[str, list[ExportFile]]:
        """Files of the present version of the day by account; accounts without files are left out."""
        files: dict[str, list[ExportFile]] = {}
        for file in self._statements.records(ExportFile, "days/files_of_days"):
            files.setdefault(file.account_id, []).append(file)
        return files

    def obstacles(self) -> dict[str, DayObstacles]:
        """Counts of the unfinished work that may still change the day, by account; the days are locked."""
        running = {account_id for (account_id,) in self._statements.tuples("days/collecting_accounts")}
        return {
            account_id: DayObstacles(open_windows, waiting_uploads, int(account_id in running))
            for account_id, open_windows, waiting_uploads in self._statements.tuples("days/unfinished_of_days")
        }

    def verdicts(self) -> dict[str, DayReconciliation]:
        """Verdict on the day by account; accounts that were never reconciled are left out."""
        reconciliations = ReconciliationTable(self.connection)
        return {
            account_id: reconciliations.of_day(account_id, self.business_date)
            for (account_id,) in self._statements.tuples("days/reconciled_accounts")
        }

    def lines(self, account_ids: Collection[str]) -> dict[str, bytes]:
        """Lines of the day by account, as ``day_lines`` yields them; accounts with linked records are left out.

        Args:
            account_ids: accounts of the group, all small.
        """
        rows: dict[bytes, list[bytes]] = {account_id.encode(): [] for account_id in account_ids}
        parameters = {"account_ids": sorted(account_ids), "business_date": self.business_date}
        query = statement("days/lines_of_accounts")
        with self.connection.cursor() as cursor, cursor.copy(query, parameters) as copy:
            for content in copy:
                row = bytes(content)
                # The account is the first cell, and its id needs no quotes.
                rows[row[: row.index(b",")]].append(row)
        # A load may have linked records since the accounts were chosen: each line would be half of a leg.
        linked = self._linked()
        return {
            account_id.decode(): with_own_line_ends(b"".join(lines), len(lines)) if lines else b""
            for account_id, lines in rows.items()
            if account_id.decode() not in linked
        }

    def record_files(self, files: Sequence[ExportFile], *, now: datetime) -> None:
        """Records that daily files are on disk."""
        if files:
            self._statements.execute(
                "days/record_export_files",
                account_ids=[file.account_id for file in files],
                business_dates=[file.business_date for file in files],
                versions=[file.version for file in files],
                dialects=[file.dialect for file in files],
                paths=[file.path for file in files],
                sha256s=[file.sha256 for file in files],
                content_sha256s=[file.content_sha256 for file in files],
                sizes=[file.size for file in files],
                row_counts=[file.rows for file in files],
                manifests=[file.manifest for file in files],
                now=now,
            )

    def record_exported(self, changes: dict[str, int], *, now: datetime) -> None:
        """Records that the open day's files show so many changes, by account."""
        if changes:
            self._statements.execute(
                "days/record_exported_days", account_ids=list(changes), changes=list(changes.values()), now=now
            )

    def record_final(self, days: Sequence[DaySeal]) -> None:
        """Records that the day is sealed for some accounts; its manifests are announced afterwards.

        The caller has locked the days.

        Args:
            days: days with their seals, which have the same time, actor, reason and run.
        """
        if not days:
            return
        days = sorted(days, key=lambda day: day.account_id)
        account_ids = [day.account_id for day in days]
        first = days[0].event
        versions = [day.event.version for day in days]
        now = first.happened_at
        self._statements.execute(
            "days/record_final_days",
            account_ids=account_ids,
            versions=versions,
            changes=[day.changes for day in days],
            state=first.event,
            now=now,
        )
        self._statements.execute(
            "days/add_events_of_days",
            account_ids=account_ids,
            event_ids=[uuid4() for _ in days],
            versions=versions,
            overridden=[orjson.dumps(day.event.overridden).decode() for day in days],
            after_sha256s=[day.event.after_sha256 for day in days],
            event=first.event,
            actor=first.actor,
            reason=first.reason,
            run_id=first.run_id,
            now=now,
        )
        self._statements.rows("records/lock_changes_of_accounts", account_ids=account_ids)
        newest = Counter[str](dict(self._statements.tuples("records/newest_changes", account_ids=account_ids)))
        self._statements.execute(
            "days/add_changes_of_days",
            account_ids=account_ids,
            numbers=[newest[account_id] + 1 for account_id in account_ids],
            details=[
                orjson.dumps({"version": day.event.version, "sha256": day.event.after_sha256}).decode() for day in days
            ],
            kind=first.event,
            now=now,
        )
