"""Read-only queries about the space that records and files use."""

from dataclasses import dataclass
from datetime import date

from cdr_pipeline.warehouse.statement_runner import LedgerTables


@dataclass(frozen=True, slots=True)
class DailyFiles:
    """Average rows and bytes of the daily files of a business date, over all accounts and dialects."""

    rows: float
    bytes: float


@dataclass(frozen=True, slots=True)
class SampledWindow:
    """A landed window: path of its file and number of its rows."""

    landing_path: str
    rows_landed: int


class DiskTable(LedgerTables):
    """Queries about space; each is one statement and changes nothing."""

    def daily_files(self, first_date: date) -> DailyFiles:
        """Average of the business dates since a date; zero if there are none."""
        (found,) = self.statements.records(DailyFiles, "operations/daily_file_sizes", first_date=first_date)
        return found

    def newest_windows(self, most: int) -> list[SampledWindow]:
        """The windows that were landed last, without empty ones."""
        return self.statements.records(SampledWindow, "operations/newest_windows", most=most)

    def stored_rows(self) -> int:
        """Number of records that loads have inserted."""
        (row,) = self.statements.rows("operations/stored_rows")
        return int(row["stored"])

    def warehouse_bytes(self) -> int:
        """Size of the warehouse's database on this server."""
        (row,) = self.statements.rows("operations/warehouse_bytes")
        return int(row["bytes"])
