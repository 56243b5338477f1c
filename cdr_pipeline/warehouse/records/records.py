"""Records of accounts: loads of batches, and the lines of a daily file."""

from collections.abc import Generator
from contextlib import AbstractContextManager
from datetime import date

from cdr_pipeline.warehouse.records.loading import BatchHeader, BatchLoad, batch_load
from cdr_pipeline.warehouse.records.reading import day_lines
from cdr_pipeline.warehouse.statement_runner import LedgerTables


class RecordTable(LedgerTables):
    """Records, by account."""

    def load_batch(self, header: BatchHeader, *, keep: bool = True) -> AbstractContextManager[BatchLoad]:
        """Loads one batch in one transaction; see ``batch_load``."""
        return batch_load(self.connection, header, keep=keep)

    def day_lines(self, account_id: str, business_date: date) -> Generator[bytes]:
        """Legs of an account on a business date as lines of the daily file; see ``day_lines``."""
        return day_lines(self.connection, account_id, business_date)
