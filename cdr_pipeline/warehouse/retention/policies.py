"""What becomes of old records: policies of accounts, months that are removed, records whose numbers are masked."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import sql

from cdr_pipeline.errors import WarehouseContended
from cdr_pipeline.warehouse.records.partitions import PARTITIONED, next_month, partition_name
from cdr_pipeline.warehouse.server.engine import translated
from cdr_pipeline.warehouse.statement_runner import LedgerTables
from cdr_pipeline.warehouse.statements import MASKED_TABLES, named, statement


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What becomes of an account's old records.

    Attributes:
        account_id: whose.
        keep_months: whole months that are kept besides the current one; None keeps all.
        archive: whether what is removed is written to Parquet first.
        mask_after_days: days after which numbers are masked; None never masks.
        set_by, set_at: who said so, and when.
    """

    account_id: str
    keep_months: int | None
    archive: bool
    mask_after_days: int | None
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class MonthRemoval:
    """A month being removed, in one transaction; see ``RetentionTable.removal``."""

    connection: Any
    account_id: str
    month: date

    @property
    def parameters(self) -> dict[str, Any]:
        """What every statement about the month is given."""
        return {"account_id": self.account_id, "first_day": self.month, "end_day": next_month(self.month)}

    def unfinished_days(self) -> tuple[date, ...]:
        """Days that are open or late: while there are any, the month is not to be removed."""
        return tuple(row[0] for row in self.connection.execute(statement("retention/unfinished_days"), self.parameters))

    def count(self) -> int:
        """Records of which the month's legs consist."""
        return int(self.connection.execute(statement("retention/count_month"), self.parameters).fetchone()[0])

    def records(self) -> Generator[bytes]:
        """The records as CSV without a header, in a fixed order: the fields, the bookkeeping, the linked record."""
        with (
            self.connection.cursor() as cursor,
            cursor.copy(statement("retention/copy_month"), self.parameters) as copy,
        ):
            for chunk in copy:
                yield bytes(chunk)

    def remove(self, *, records: int, archived_path: str | None, archived_sha256: str | None, now: datetime) -> int:
        """Keeps the month's totals and deletes its records, with their history, keys and links.

        Returns:
            How many records were deleted; the caller raises when it is not what was counted.
        """
        self.connection.execute(statement("retention/insert_month_totals"), self.parameters)
        self.connection.execute(statement("retention/insert_removed_records"), self.parameters)
        self.connection.execute(statement("retention/delete_history"), self.parameters)
        deleted = self.connection.execute(statement("retention/delete_records"), self.parameters).rowcount
        self.connection.execute(statement("retention/delete_keys"), self.parameters)
        self.connection.execute(statement("retention/delete_links"), self.parameters)
        noted = {"records": records, "archived_path": archived_path, "archived_sha256": archived_sha256, "now": now}
        self.connection.execute(statement("retention/record_removed_month"), self.parameters | noted)
        return int(deleted)


class RetentionTable(LedgerTables):
    """Policies, removed months and masks, by account."""

    def set_policy(self, policy: RetentionPolicy) -> None:
        """Puts a policy in place of the account's earlier one."""
        self._execute(
            "retention/set_policy",
            account_id=policy.account_id,
            keep_months=policy.keep_months,
            archive=policy.archive,
            mask_after_days=policy.mask_after_days,
            set_by=policy.set_by,
            now=policy.set_at,
        )

    def policies(self) -> list[RetentionPolicy]:
        """All policies, in the order of their accounts."""
        return [RetentionPolicy(**row) for row in self._rows("retention/policies")]

    def months_to_remove(self, account_id: str, before: date) -> list[date]:
        """First days of the months that end before a date and are still there."""
        rows = self._rows("retention/due_months", account_id=account_id, before=before)
        return [row["month"] for row in rows]

    @contextmanager
    def remove_month(self, account_id: str, month: date) -> Generator[MonthRemoval]:
        """A transaction in which no load of the account runs; nothing of it stays when the block raises."""
        with translated(), self.connection.transaction():
            self._rows("records/lock_account", account_id=account_id)
            yield MonthRemoval(self.connection, account_id, month)

    def drop_empty_partitions(self) -> tuple[date, ...]:
        """Drops the partitions of removed months in which nobody has a row, unless somebody is at work.

        Returns:
            First days of those months; what could not be had now is for the next call.
        """
        dropped = [row["month"] for row in self._rows("retention/old_partitions") if self._drop(row["month"])]
        return tuple(dropped)

    def finished_days(self, account_id: str, before: date) -> list[date]:
        """Sealed days before a date whose files show all their changes."""
        rows = self._rows("retention/finished_days", account_id=account_id, before=before)
        return [row["business_date"] for row in rows]

    def mask(self, account_id: str, business_dates: Sequence[date]) -> int:
        """Masks records of the legs of some days and their earlier versions, in one transaction.

        Returns:
            How many were not masked yet.
        """
        parameters = {
            "account_id": account_id,
            "dates": list(business_dates),
            "first_date": min(business_dates) - _APART,
            "last_date": max(business_dates) + _APART,
        }
        with translated(), self.connection.transaction():
            self._rows("records/lock_account", account_id=account_id)
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
                for partition in partitions:
                    found = self.connection.execute(named("retention/partition_has_rows", partition=partition))
                    if found.fetchone() != (False,):
                        return False
                for partition in partitions:
                    self.connection.execute(named("retention/drop_partition", partition=partition))
        except WarehouseContended:
            return False
        return True


# The two records of a leg are at most this far apart, time zones included.
_APART: Final = timedelta(days=3)
# Whoever waits for a parent's lock keeps all others waiting behind it.
_SHORT_WAIT: Final = "SET LOCAL lock_timeout = '2s'"
