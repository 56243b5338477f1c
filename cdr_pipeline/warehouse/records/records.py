"""Records of accounts: loads of batches, and the lines of a daily file."""

from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager
from datetime import date, datetime
from functools import cached_property

from psycopg import sql

from cdr_pipeline.warehouse.records.batch import BatchHeader, LoadedBatch
from cdr_pipeline.warehouse.records.group_loading import AccountGroup, account_group
from cdr_pipeline.warehouse.records.loading import BatchLoad, batch_load, record_unchanged
from cdr_pipeline.warehouse.records.reading import day_lines
from cdr_pipeline.warehouse.retention.removed_months import removed_months
from cdr_pipeline.warehouse.server.cluster import is_cluster
from cdr_pipeline.warehouse.statement_runner import LedgerTables


class RecordTable(LedgerTables):
    """Records, by account."""

    def load_batch(self, header: BatchHeader, *, keep: bool = True) -> AbstractContextManager[BatchLoad]:
        """Loads one batch in one transaction; see ``batch_load``."""
        return batch_load(self.connection, header, keep=keep)

    def load_unchanged(
        self, header: BatchHeader, span: tuple[datetime, datetime], rules: Callable[[], str]
    ) -> LoadedBatch | None:
        """Records a window that has nothing new without reading it; see ``record_unchanged``."""
        return record_unchanged(self.connection, header, span, rules)

    def group(self, account_ids: Collection[str]) -> AbstractContextManager[AccountGroup]:
        """Loads small windows of several accounts in one transaction; see ``account_group``."""
        return account_group(self.connection, account_ids)

    @cached_property
    def groups(self) -> bool:
        """Whether the warehouse is a single server, on which accounts can share a transaction."""
        return not is_cluster(self.connection)

    def removed_months(self, account_id: str) -> frozenset[date]:
        """First days of the months that retention has removed."""
        return removed_months(self.connection, account_id)

    def analyze_new_tables(self) -> None:
        """Gives the planner statistics of tables that autovacuum has not looked at yet, such as those of a new month.

        A table that another process analyzes is skipped.
        """
        for row in self.statements.rows("records/unanalyzed_tables"):
            self.connection.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(sql.Identifier(row["name"])))

    def day_lines(self, account_id: str, business_date: date) -> Generator[bytes]:
        """Legs of an account on a business date as lines of the daily file; see ``day_lines``."""
        return day_lines(self.connection, account_id, business_date)
