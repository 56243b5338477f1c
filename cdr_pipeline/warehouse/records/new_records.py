"""Inserts records of a batch that the warehouse does not have by COPY into their partition, without the stage.

Only a record that the batch has delivered once so far is inserted. If the batch delivers it again, it moves back to the
stage, where the rules for repeated records decide.
"""

from collections import Counter
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any, Final

import polars as pl
from psycopg import Connection, Cursor, sql

from cdr_pipeline.core.fields.dictionary import FIELDS
from cdr_pipeline.core.fields.schemas import DAY
from cdr_pipeline.core.records.identity import is_fingerprint
from cdr_pipeline.core.records.stored_extra import with_extra_of
from cdr_pipeline.warehouse.records.csv_values import csv_value, text_array
from cdr_pipeline.warehouse.records.partitions import FilledMonth, add_missing_partitions, missing_months
from cdr_pipeline.warehouse.statement_runner import StatementRunner
from cdr_pipeline.warehouse.statements import BOOKKEEPING, KEYS, on_table

# Batches whose first chunk has fewer rows are staged: few rows cost little, and one transaction less locks partitions.
COPIED_FROM: Final = 2_000
# A new month with at least this many records is filled before its indexes are built.
WORTH_FILLING: Final = 5_000
# Ids of new records in the stage that are remembered. A batch with more of them stages all further rows.
_MOST_STAGED: Final = 50_000


class NewRecords:
    """New records of one batch.

    Args:
        connection: in the batch's transaction, which holds the account's lock.
        parameters: statement parameters of the batch.
        own_stage: whether the session has its own stage, as on a server without Citus.
        enabled: False to stage all rows, as for a preview.

    Attributes:
        by_day: number of inserted records by business date.
    """

    def __init__(
        self, connection: Connection[Any], parameters: dict[str, Any], *, own_stage: bool, enabled: bool
    ) -> None:
        self.by_day: Counter[date] = Counter()
        self._connection = connection
        self._statements = StatementRunner(connection, parameters)
        self._own_stage = own_stage
        self._enabled: bool | None = None if enabled else False
        self._months: set[date] = set()
        self._filled: dict[date, FilledMonth] = {}
        self._staged: set[str] = set()

    @property
    def count(self) -> int:
        """Number of inserted records."""
        return self.by_day.total()

    def chosen(self, rows: pl.DataFrame, stored: pl.Series) -> pl.Series:
        """Flags rows that can be inserted at once.

        Args:
            rows: a chunk of the batch.
            stored: flags rows whose record the warehouse has.
        """
        if self._enabled is None:
            self._enabled = rows.height >= COPIED_FROM
        if not self._enabled:
            return pl.repeat(value=False, n=rows.height, eager=True)
        # Lines identified by their text are numbered when the whole file is staged; until then their id is not final.
        final = (pl.col("origin") == "api") | ~is_fingerprint(pl.col("record_id"))
        ids = rows["record_id"]
        fresh = rows.select(final).to_series() & ~stored
        single = fresh & ids.is_unique()
        if self._staged:
            single &= ~ids.is_in(pl.Series(sorted(self._staged)).implode())
        self._staged.update(ids.filter(fresh & ~single))
        self._enabled = len(self._staged) <= _MOST_STAGED
        return single

    def insert(self, rows: pl.DataFrame) -> None:
        """Inserts rows with their keys; creates the partitions that they need.

        Args:
            rows: rows with the columns of ``cdr``, except ``extra`` and ``changed_at``, and the texts of ``extra``.
        """
        counts: dict[date, int] = dict(rows[DAY].value_counts().iter_rows())
        self._add_months(counts)
        self.by_day.update(counts)
        now: Any = self._statements.common["now"]
        records = rows.with_columns(pl.lit(now.isoformat()).alias("changed_at"))
        month = rows[DAY].dt.month_start()
        for filled, table in self._filled.items():
            self._copy(table.name, records.filter(month == filled))
        self._copy("cdr", records.filter(~month.is_in(pl.Series(list(self._filled), dtype=pl.Date).implode())))
        # In the order of the index, neighbours are inserted into the same page.
        self._statements.copy("records/copy_keys", rows.select(KEYS).sort("record_id"))

    def take_back(self, record_ids: pl.Series) -> pl.Series:
        """Moves records that this batch has inserted back to the stage.

        Args:
            record_ids: ids of records that the warehouse has.

        Returns:
            Ids of the records that were moved.
        """
        nothing = pl.Series("record_id", [], dtype=pl.String)
        if not self.count or record_ids.is_empty():
            return nothing
        taken: list[str] = []
        for table in self._filled.values():
            table.add_key()
            taken += self._take_back_from(table.name, record_ids)
        return pl.Series("record_id", taken + self._take_back_from("cdr", record_ids), dtype=pl.String)

    def _take_back_from(self, table: str, record_ids: pl.Series) -> list[str]:
        own = self._run("records/own_records", table, record_ids=text_array(record_ids), dates=sorted(self.by_day))
        found = own.fetchall()
        if not found:
            return []
        taken = {"record_ids": [record_id for record_id, _ in found], "dates": sorted({day for _, day in found})}
        self._run("records/restage_records", table, **taken)
        self._statements.execute("records/delete_restaged_keys", **taken)
        self._run("records/delete_restaged_records", table, **taken)
        self.by_day -= Counter(day for _, day in found)
        self._staged.update(taken["record_ids"])
        return taken["record_ids"]

    def _run(self, name: str, table: str, **parameters: object) -> Cursor[Any]:
        return self._connection.execute(on_table(name, "table", table), self._statements.common | parameters)

    @property
    def filled(self) -> AbstractSet[date]:
        """First days of the months that are filled before they are attached."""
        return self._filled.keys()

    def attach_filled(self) -> None:
        """Attaches months that were filled; their indexes are built by sorting."""
        for month in sorted(self._filled):
            self._filled.pop(month).attach()

    def _add_months(self, counts: dict[date, int]) -> None:
        if self._filled:
            missing = missing_months(self._connection, self._filled)
            for month in self._filled.keys() - set(missing):
                self._filled.pop(month).attach()
        by_month: Counter[date] = Counter()
        for day, rows in counts.items():
            by_month[day.replace(day=1)] += rows
        unknown = by_month.keys() - self._months
        if not unknown:
            return
        worth_filling = {month for month in unknown if self._own_stage and by_month[month] >= WORTH_FILLING}
        add_missing_partitions(self._connection, unknown - worth_filling, apart=self._own_stage)
        for month in missing_months(self._connection, worth_filling):
            self._filled[month] = FilledMonth(self._connection, month, self._statements.common["batch_id"])
        self._months |= unknown

    def _copy(self, table: str, records: pl.DataFrame) -> None:
        if records.height:
            self._statements.copy("records/copy_records", records, self._columns, table=sql.Identifier(table))

    def _columns(self, rows: pl.DataFrame) -> pl.DataFrame:
        kind = str(self._statements.common["kind"])
        return with_extra_of(kind, rows).select(*(csv_value(item.name, item.kind) for item in FIELDS), *BOOKKEEPING)
