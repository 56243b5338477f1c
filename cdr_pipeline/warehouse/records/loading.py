"""Loads one batch in one transaction: stages rows, drops duplicates, merges, and counts every row.

A batch is either stored completely, including its ledger entry, or not at all.
"""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl
import stamina
from psycopg import Connection

from cdr_pipeline.core.fields.schemas import LINE, no_rejects
from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.errors import WarehouseContended
from cdr_pipeline.warehouse.records.batch import BatchHeader, LoadedBatch
from cdr_pipeline.warehouse.records.batch_rejects import BatchRejects
from cdr_pipeline.warehouse.records.links import add_up_parts, calls_of_changed_parts
from cdr_pipeline.warehouse.records.merging import NOTHING_MERGED, merge_staged
from cdr_pipeline.warehouse.records.new_records import NewRecords
from cdr_pipeline.warehouse.records.staging import indexed_stage, open_stage, prepared, stage_rows
from cdr_pipeline.warehouse.retention.removed_months import reject_removed_months, removed_months
from cdr_pipeline.warehouse.server.engine import translated
from cdr_pipeline.warehouse.statement_runner import StatementRunner

# A record whose start differs more than this from the stored record of the same id is another call. Smaller differences
# are corrections, such as a corrected clock or the answer time in place of the set-up time.
MOST_MOVED: Final = timedelta(minutes=15)
# Rows from which the stage is analyzed; for fewer rows ANALYZE takes longer than a merge with a bad plan.
_ANALYZED_FROM = 2_000
# Rows from which a thread writes a chunk while its caller reads the next one.
BEHIND_FROM: Final = 2_000
# Retries a load a few times if it conflicts with another transaction.
retried_load: Final = stamina.RetryingCaller(attempts=4, timeout=None, wait_initial=0.05, wait_max=2.0).on(
    WarehouseContended
)


@dataclass(slots=True)
class BatchLoad:
    """A batch being loaded; see ``batch_load``.

    A thread writes a large chunk while the caller reads the next one. From the first call of ``stage`` until ``settle``
    or ``flush``, the connection is the batch's alone.

    Attributes:
        connection: connection to the warehouse, in the batch's transaction.
        header: origin and identity of the batch.
        keep: whether the batch is stored; a preview is rolled back.
        staged: number of staged rows, those included that were inserted without the stage.
        known: number of staged rows that the warehouse already has unchanged.
        other_calls: number of new records that carry the id of another call; set by ``settle``. They are identified by
            a fingerprint of their text instead of the id.
        withdrawn: number of records of earlier loads that this load has withdrawn.
        loaded: result of the load; None until ``finish``.
        step: current step, for error messages.
    """

    connection: Connection[Any]
    header: BatchHeader
    keep: bool = True
    staged: int = 0
    loaded: LoadedBatch | None = None
    known: int = 0
    step: str = "begin"
    other_calls: int = 0
    withdrawn: int = 0
    _withdrawn_days: frozenset[date] = frozenset()
    _overlap: int = 0
    _duplicate: int | None = None
    _own_stage: bool = True
    _removed: frozenset[date] = frozenset()
    _rejects: BatchRejects = field(init=False)
    _statements: StatementRunner = field(init=False)
    _new: NewRecords = field(init=False)
    _writer: ThreadPoolExecutor | None = None
    _writing: "Future[None] | None" = None

    def __post_init__(self) -> None:
        header = self.header
        parameters = {
            "account_id": header.account_id,
            "batch_id": header.batch_id,
            "now": header.now,
            "origin": header.origin,
            "kind": header.kind,
            "source": header.source,
            "run_id": header.run_id,
            "business_date": header.business_date,
        }
        self._statements = StatementRunner(self.connection, parameters)
        self._statements.execute("records/lock_account")
        self._rejects = BatchRejects(header, self._statements)
        self._removed = removed_months(self.connection, header.account_id)
        self._own_stage = open_stage(self.connection)
        self._new = NewRecords(self.connection, parameters, own_stage=self._own_stage, enabled=self.keep)

    @property
    def rejects(self) -> BatchRejects:
        """Rejected rows of the batch."""
        self.flush()
        return self._rejects

    @property
    def removed_months(self) -> frozenset[date]:
        """First days of the account's months that retention has removed."""
        return self._removed

    def stage(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Stages validated rows; rejects those of legs whose month was removed by policy.

        Args:
            rows: frame of the working schema with record ids, plus ``has_detail`` and ``detail_source`` for the
                switch's records; one row per delivered record, ``line`` unique within the batch.

        Returns:
            The rejects (``REJECT_SCHEMA``), which are stored.
        """
        self.step = "stage"
        rejects = no_rejects()
        if self._removed:
            self.flush()
            header = self.header
            checked = reject_removed_months(
                self.connection, rows, self._removed, account_id=header.account_id, origin=header.origin
            )
            self.reject(checked.rejects)
            rows, rejects = checked.rows, checked.rejects
        if rows.height:
            self._rejects.count_valid(rows)
            self.staged += rows.height
            self._write_behind(rows)
        return rejects

    def _write_behind(self, rows: pl.DataFrame) -> None:
        """Waits for the chunk before, then writes this one, in a thread if it is large."""
        ready = prepared(rows, self._statements.common)
        self.flush()
        if rows.height < BEHIND_FROM:
            self._write(ready)
            return
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "write-rows")
        self._writing = self._writer.submit(self._write, ready)

    def _write(self, rows: pl.DataFrame) -> None:
        self.known += stage_rows(self.connection, rows, self._statements.common, self._new)

    def flush(self) -> None:
        """Waits until all chunks are written; raises the error of one that could not be."""
        if self._writing is not None:
            self.step = "stage"
            writing, self._writing = self._writing, None
            writing.result()

    def close(self) -> None:
        """Ends the thread that writes rows; waits for the statement that it runs."""
        if self._writer is not None:
            self._writer.shutdown()

    def reject(self, rejects: pl.DataFrame, charges: pl.DataFrame | None = None) -> None:
        """Stores rejected rows; see ``BatchRejects.add``."""
        if rejects.height:
            self.flush()
            self.step = "reject"
            self._rejects.add(rejects, charges)

    def settle(self) -> pl.DataFrame:
        """Reduces the stage to one row per record, with no record under the id of another call.

        Rows of a file that are identified by their text are numbered through the whole file. A record whose id belongs
        to another call, in the warehouse or on an earlier line, is identified by its text too; see ``other_calls``.

        Returns:
            ``line`` of every row that a later row of the same id contradicts. These rows are no longer staged; the
            caller rejects them.
        """
        nothing = pl.DataFrame(schema={LINE: pl.Int64})
        if self._duplicate is not None:
            return nothing
        self.flush()
        self.step = "settle"
        if not self._in_stage:
            self._duplicate = 0
            return nothing
        if self._in_stage > _ANALYZED_FROM:
            self._statements.execute("records/analyze_stage")
        repeated = self._number("records/count_duplicates")
        if self.header.kind == "window":
            self._duplicate = self._statements.execute("records/drop_duplicates") if repeated else 0
            return nothing
        if repeated:
            self._statements.execute("records/renumber_occurrences")
        renamed = self._rename_other_calls(repeated=bool(repeated))
        repeated = self._number("records/count_duplicates") if repeated or renamed else 0
        conflicting = self._drop_conflicting() if repeated else nothing
        self._duplicate = self._statements.execute("records/drop_duplicates") if repeated else 0
        if repeated or renamed:
            self._overlap, _ = self._numbers("records/count_overlap")
        return conflicting

    @property
    def _in_stage(self) -> int:
        """Number of rows in the stage."""
        return self.staged - self._new.count

    def _rename_other_calls(self, *, repeated: bool) -> int:
        """Counts the overlap with the warehouse and replaces ids that belong to other calls.

        Returns:
            Number of staged records whose id was replaced.
        """
        moved = {"most_moved": MOST_MOVED}
        self._overlap, different = self._numbers("records/count_overlap")
        renamed = 0
        if different:
            with self._indexed_stage():
                renamed = self._statements.execute("records/separate_calls_in_warehouse", **moved)
        renamed += self._statements.execute("records/separate_calls_in_file", **moved) if repeated else 0
        if renamed:
            self.other_calls = self._number("records/count_other_calls")
        return renamed

    def _drop_conflicting(self) -> pl.DataFrame:
        lines = [line for (line,) in self._statements.tuples("records/conflicting_lines")]
        if lines:
            self.staged -= self._statements.execute("records/drop_lines", lines=lines)
            # Some of the dropped rows may have been counted as known, so the rest must be merged.
            self.known = 0
        return pl.DataFrame({LINE: lines}, schema={LINE: pl.Int64})

    def overlap(self) -> int:
        """Number of staged records that the warehouse already has unchanged."""
        self.settle()
        return self._overlap

    def classes(self) -> pl.DataFrame:
        """Effect of a merge: ``line`` and ``row_class`` (inserted, updated, unchanged) of each record of a preview."""
        self.settle()
        rows = self._statements.tuples("records/staged_classes")
        return pl.DataFrame(rows, schema={LINE: pl.Int64, "row_class": pl.String}, orient="row")

    def close_replayed_rejects(self) -> None:
        """Closes the rejects of a replayed upload whose lines are now valid records."""
        self.flush()
        self._new.attach_filled()
        self._rejects.close_fixed(sorted(self._new.by_day))

    def withdraw(self, uploads: Sequence[str]) -> None:
        """Withdraws records of earlier loads of uploads, except those that this load has staged; once per load.

        Their history keeps them, and their days count as changed. A record that a later file has changed belongs to
        that file and stays.

        Args:
            uploads: ids of the uploads.
        """
        self.flush()
        self._new.attach_filled()
        self.step = "withdraw"
        with self._indexed_stage():
            self.withdrawn = self._statements.execute("records/insert_withdrawn_history", uploads=list(uploads))
        if not self.withdrawn:
            return
        days = {day for (day,) in self._statements.tuples("records/withdrawn_days")}
        calls = calls_of_changed_parts(self.connection, self._statements.common, days)
        linked = {day for row in self._statements.tuples("records/delete_withdrawn_links") for day in row}
        self._statements.execute("records/delete_withdrawn_keys")
        self._statements.execute("records/delete_withdrawn_records", dates=sorted(days))
        linked |= add_up_parts(self.connection, self.header.account_id, calls)
        self._withdrawn_days = frozenset(days | linked)

    def finish(self, *, read: int, filtered: int = 0, record: bool = True, rules: str | None = None) -> LoadedBatch:
        """Merges the staged rows and records the batch in the ledger.

        Args:
            read: number of rows or logical lines read.
            filtered: number of lines that are not records.
            rules: hash of everything besides the rows on which the load of a window depends; see ``record_unchanged``.
            record: whether to write the ledger entry; False for a preview, which is rolled back.

        Raises:
            UnbalancedBatch: the counts do not add up to the rows read; the caller's block rolls the transaction back.
        """
        self.settle()
        duplicate = self._duplicate or 0
        merged = NOTHING_MERGED
        self.step = "merge"
        if self.staged > self.known or self._withdrawn_days:
            merged = merge_staged(
                self.connection,
                self._statements.common,
                self._new,
                own_stage=self._own_stage,
                kept=self.keep,
                any_staged=self._in_stage > self.known,
                withdrawn=self._withdrawn_days,
            )
        counts = BatchCounts(
            read=read,
            inserted=merged.inserted,
            updated=merged.updated,
            unchanged=self.staged - duplicate - merged.inserted - merged.updated,
            duplicate=duplicate,
            rejected=self._rejects.count,
            filtered=filtered,
        )
        counts.require_balance(f"{self.header.kind} of account {self.header.account_id}")
        if not self._own_stage:
            self._statements.execute("records/clear_stage")
        self.step = "reject"
        self.loaded = LoadedBatch(counts, merged.touched | self._rejects.touch_days())
        self.step = "record"
        if not record:
            return self.loaded
        self._statements.execute(
            "records/record_batch",
            read=counts.read,
            inserted=counts.inserted,
            updated=counts.updated,
            unchanged=counts.unchanged,
            duplicate=counts.duplicate,
            rejected=counts.rejected,
            filtered=counts.filtered,
        )
        if self.header.kind == "window":
            self._statements.execute("collect/record_loaded_window", rules=rules)
        else:
            self._statements.execute("uploads/record_loaded_upload", sha256=self.header.source)
        return self.loaded

    def _indexed_stage(self) -> AbstractContextManager[None]:
        return indexed_stage(self._statements, own_stage=self._own_stage)

    def _number(self, name: str) -> int:
        return self._numbers(name)[0]

    def _numbers(self, name: str) -> tuple[int, ...]:
        (row,) = self._statements.tuples(name)
        return tuple(map(int, row))


def record_unchanged(
    connection: Connection[Any], header: BatchHeader, span: tuple[datetime, datetime], rules: Callable[[], str]
) -> LoadedBatch | None:
    """Records a window as loaded if it landed with the rows of its last load and nothing else has changed since.

    Args:
        connection: connection to the warehouse.
        header: origin and identity of the batch.
        span: start and end of the window.
        rules: returns the hash of everything besides the rows on which the load depends; called with the account's
            lock, so that nothing of it changes before the batch is recorded.

    Returns:
        Its counts: every row is unchanged or a duplicate. None if the window has to be read.
    """
    statements = StatementRunner(connection, asdict(header) | {"starts_at": span[0], "ends_at": span[1]})
    with translated(), connection.transaction():
        statements.execute("records/lock_account")
        of_now = rules()
        rows = statements.tuples("collect/record_unchanged_window", rules=of_now)
        if not rows:
            return None
        statements.execute("collect/record_loaded_window", rules=of_now)
    read, unchanged, duplicate, filtered = rows[0]
    counts = BatchCounts(read=read, unchanged=unchanged, duplicate=duplicate, filtered=filtered)
    return LoadedBatch(counts, frozenset())


@contextmanager
def batch_load(connection: Connection[Any], header: BatchHeader, *, keep: bool = True) -> Generator[BatchLoad]:
    """Loads one batch in one transaction. Rolled back if the block raises or ``keep`` is false.

    Raises:
        WarehouseContended: conflict with another transaction; the same batch can be retried immediately.
        ValueNotStorable: a value passed validation but exceeds a limit of PostgreSQL; the message has batch and step.
        WarehouseUnavailable: the connection broke; the ledger shows whether the batch was stored.
    """
    load: BatchLoad | None = None

    def description() -> str:
        step = load.step if load else "begin"
        return f"{header.kind} {header.source} of account {header.account_id}, step {step}"

    with translated(description), connection.transaction(force_rollback=not keep):
        load = BatchLoad(connection, header, keep)
        with closing(load):
            yield load
            load.flush()
