"""Retention of old records: policies of accounts, removal of months, masking of numbers."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import sql

from cdr_pipeline.core.records.links import LEG_REACH_DAYS
from cdr_pipeline.errors import WarehouseContended
from cdr_pipeline.warehouse.records.partitions import PARTITIONED, next_month, partition_name
from cdr_pipeline.warehouse.server.engine import translated
from cdr_pipeline.warehouse.statement_runner import LedgerTables, StatementRunner
from cdr_pipeline.warehouse.statements import MASKED_TABLES, named, statement


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Retention policy of an account.

    Attributes:
        account_id: account that owns the records.
        keep_months: complete months kept in addition to the current one; None keeps all.
        archive: whether records are written to Parquet before they are removed.
        mask_after_days: days after which numbers are masked; None never masks.
        set_by, set_at: person who set the policy, and when.
    """

    account_id: str
    keep_months: int | None
    archive: bool
    mask_after_days: int | None
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class MonthRemoval:
    """The removal of a month, in one transaction; see ``RetentionTable.remove_month``."""

    connection: Any
    account_id: str
    month: date

    @property
    def statements(self) -> StatementRunner:
        """Runs statements about the month."""
        common = {"account_id": self.account_id, "first_day": self.month, "end_day": next_month(self.month)}
        return StatementRunner(self.connection, common)

    def unfinished_days(self) -> tuple[date, ...]:
        """Days that are open or late; while there are any, the month must not be removed."""
        return tuple(day for (day,) in self.statements.tuples("retention/unfinished_days"))

    def count(self) -> int:
        """Number of records that belong to the month's legs."""
        ((records,),) = self.statements.tuples("retention/count_month")
        return records

    def records(self) -> Generator[bytes]:
        """Records as CSV without a header, in a fixed order: fields, bookkeeping columns, linked record."""
        with (
            self.connection.cursor() as cursor,
            cursor.copy(statement("retention/copy_month"), self.statements.common) as copy,
        ):
            for chunk in copy:
                yield bytes(chunk)

    def remove(self, *, records: int, archived_path: str | None, archived_sha256: str | None, now: datetime) -> int:
        """Stores the month's totals and deletes its records with their history, keys and links.

        Args:
            records: number of records counted before.
            archived_path: path of the archive; None without one.
            archived_sha256: hash of the archive; None without one.
            now: time of the removal.

        Returns:
            Number of deleted records; the caller raises if it differs from the count.
        """
        statements = self.statements
        statements.execute("retention/insert_month_totals")
        statements.execute("retention/insert_removed_records")
        statements.execute("retention/insert_removed_calls")
        statements.execute("retention/delete_history")
        deleted = statements.execute("retention/delete_records")
        statements.execute("retention/delete_keys")
        statements.execute("retention/delete_links")
        statements.execute(
            "retention/record_removed_month",
            records=records,
            archived_path=archived_path,
            archived_sha256=archived_sha256,
            now=now,
        )
        return deleted


class RetentionTable(LedgerTables):
    """Policies, removed months and masks, by account."""

    def set_policy(self, policy: RetentionPolicy) -> None:
        """Sets the policy of an account; replaces an earlier one."""
        self.statements.execute(
            "retention/set_policy",
            account_id=policy.account_id,
            keep_months=policy.keep_months,
            archive=policy.archive,
            mask_after_days=policy.mask_after_days,
            set_by=policy.set_by,
            now=policy.set_at,
        )

    def policies(self) -> list[RetentionPolicy]:
        """All policies, by account id."""
        return self.statements.records(RetentionPolicy, "retention/policies")

    def months_to_remove(self, account_id: str, before: date) -> list[date]:
        """First days of the months that end before a date and are not removed yet."""
        rows = self.statements.rows("retention/due_months", account_id=account_id, before=before)
        return [row["month"] for row in rows]

    @contextmanager
    def remove_month(self, account_id: str, month: date) -> Generator[MonthRemoval]:
        """Begins the removal of a month in a transaction that blocks loads; rolled back if the block raises."""
        with translated(), self.connection.transaction():
            self.statements.rows("records/lock_account", account_id=account_id)
            yield MonthRemoval(self.connection, account_id, month)

    def drop_empty_partitions(self) -> tuple[date, ...]:
        """Drops partitions of removed months that are empty for all accounts.

        Does nothing while a load is running; the next call tries again.

        Returns:
            First days of the months whose partitions were dropped.
        """
        dropped = [row["month"] for row in self.statements.rows("retention/old_partitions") if self._drop(row["month"])]
        return tuple(dropped)

    def finished_days(self, account_id: str, before: date) -> list[date]:
        """Sealed days before a date whose files show all their changes."""
        rows = self.statements.rows("retention/finished_days", account_id=account_id, before=before)
        return [row["business_date"] for row in rows]

    def mask(self, account_id: str, business_dates: Sequence[date]) -> int:
        """Masks the records of the legs of some days and their earlier versions, in one transaction.

        Returns:
            Number of records that were not masked before.
        """
        parameters = {
            "account_id": account_id,
            "dates": list(business_dates),
            "first_date": min(business_dates) - _REACH,
            "last_date": max(business_dates) + _REACH,
        }
        with translated(), self.connection.transaction():
            self.statements.rows("records/lock_account", account_id=account_id)
            return sum(
                self.connection.execute(named("retention/mask_records", **parts), parameters).rowcount
                for parts in MASKED_TABLES
            )

    def _drop(self, month: date) -> bool:
        partitions = [sql.Identifier(partition_name(table, month)) for table in PARTITIONED]
        try:
            with translated(), self.connection.transaction():
                self.connection.execute(_SHORT_WAIT)
                if self.connection.execute(statement("retention/may_drop_partitions")).fetchone() != (True,):
                    return False
                # Another run may have dropped it while this one waited for its turn.
                if month not in {row["month"] for row in self.statements.rows("retention/old_partitions")}:
                    return False
                for partition in partitions:
                    has_rows = self.connection.execute(named("retention/partition_has_rows", partition=partition))
                    if has_rows.fetchone() != (False,):
                        return False
                for partition in partitions:
                    self.connection.execute(named("retention/drop_partition", partition=partition))
        except WarehouseContended:
            return False
        return True


_REACH: Final = timedelta(days=LEG_REACH_DAYS)
# A transaction that waits for a lock on the parent table blocks all others behind it.
_SHORT_WAIT: Final = "SET LOCAL lock_timeout = '2s'"
