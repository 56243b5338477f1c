"""Loads one batch: stage, drop duplicates, merge, and account for every row, in one transaction.

Either all of a batch is in the warehouse, its ledger line included, or nothing is.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import polars as pl
import polars_hash as plh
import stamina
from psycopg import Connection

from cdr_pipeline.core.fields.dictionary import KNOWN_DETAIL_KEYS, KNOWN_LIST_KEYS
from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.errors import WarehouseContended
from cdr_pipeline.warehouse.records.merging import NOTHING_MERGED, merge_staged
from cdr_pipeline.warehouse.records.staging import open_stage, stage_rows
from cdr_pipeline.warehouse.retention.removed_months import reject_removed_months, removed_months
from cdr_pipeline.warehouse.server.engine import translated
from cdr_pipeline.warehouse.statements import statement

BatchKind = Literal["window", "upload"]
# A record that returns under its id and starts further away is another call: set-up for answer, a clock put right.
MOST_MOVED: Final = timedelta(minutes=15)
# Below this the planner's guess does no harm and the analysis would cost more than the merge.
_WORTH_ANALYZING = 2_000
# Runs a whole load again, a few times at most, when another transaction stood in its way.
retried_load: Final = stamina.RetryingCaller(attempts=4, timeout=None, wait_initial=0.05, wait_max=2.0).on(
    WarehouseContended
)
# Bytes of a rejected row's text that its reject keeps; landing keeps all of it.
LONGEST_RAW: Final = 64 * 1024
_ORIGINS: dict[BatchKind, str] = {"window": "api", "upload": "imported"}


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What a batch is a load of.

    Attributes:
        account_id: whose records.
        batch_id: identity of the load.
        kind: a window of the switch's API, or an uploaded file.
        source: landing path of a window, sha256 of an upload.
        business_date: the day that the window was collected for; none for an upload.
        run_id: the orchestrator's run, if any.
        now: the load's time, UTC; stamps whatever it changes.
    """

    account_id: str
    batch_id: UUID
    kind: BatchKind
    source: str
    now: datetime
    business_date: date | None = None
    run_id: str | None = None

    @property
    def origin(self) -> str:
        """Origin of the batch's records."""
        return _ORIGINS[self.kind]


@dataclass(frozen=True, slots=True)
class LoadedBatch:
    """What a load did.

    Attributes:
        counts: rows by class; they balance.
        touched: business dates whose records changed.
    """

    counts: BatchCounts
    touched: frozenset[date]


@dataclass(slots=True)
class BatchLoad:
    """A batch being loaded; see ``batch_load``.

    Attributes:
        connection, header: of the batch.
        staged, known, rejected: rows staged, those among them that the warehouse has, rows rejected.
        other_calls: once settled, staged records that carry the id of another call and are new to the warehouse; they
            are known by their text.
        loaded: the result, once finished.
        step: what is under way, for errors.
    """

    connection: Connection[Any]
    header: BatchHeader
    staged: int = 0
    rejected: int = 0
    loaded: LoadedBatch | None = None
    _parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    known: int = 0
    step: str = "begin"
    removed: int = 0
    other_calls: int = 0
    _overlap: int = 0
    _duplicate: int | None = None
    _own_stage: bool = True
    _removed: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        header = self.header
        self._parameters = {
            "account_id": header.account_id,
            "batch_id": header.batch_id,
            "now": header.now,
            "origin": header.origin,
            "kind": header.kind,
            "source": header.source,
            "run_id": header.run_id,
            "business_date": header.business_date,
            "known_list_keys": sorted(KNOWN_LIST_KEYS) if header.kind == "window" else [],
            "known_detail_keys": sorted(KNOWN_DETAIL_KEYS),
        }
        self._execute("records/lock_account")
        self._removed = removed_months(self.connection, header.account_id)
        self._own_stage = open_stage(self.connection)

    def stage(self, rows: pl.DataFrame) -> None:
        """Adds validated rows; those of legs whose month was removed by policy are rejected, see ``removed``.

        Args:
            rows: working schema with record ids, plus ``has_detail`` and ``detail_source`` for the switch's records;
                one row per record as delivered, ``line`` unique within the batch.
        """
        self.step = "stage"
        if self._removed:
            header = self.header
            sifted = reject_removed_months(
                self.connection, rows, self._removed, account_id=header.account_id, origin=header.origin
            )
            self.reject(sifted.rejects)
            self.removed += sifted.rejects.height
            rows = sifted.rows
        if rows.height:
            self.known += stage_rows(self.connection, rows, self._parameters)
            self.staged += rows.height

    def reject(self, rejects: pl.DataFrame) -> None:
        """Adds refused rows (``REJECT_SCHEMA``), each kept with file or window, line, field, reason and raw text."""
        if rejects.is_empty():
            return
        self.step = "reject"
        per_line = pl.lit("") if self.header.kind == "window" else pl.col(LINE).cast(pl.String)
        # Overlapping windows deliver the same bad row again; a file's bad line is known by file and line.
        place = pl.lit("" if self.header.kind == "window" else self.header.source)
        known = rejects.with_columns(
            pl.concat_str(place, per_line, "reason", "field", RAW, separator="\x1f").alias("__key"),
            _shortened(pl.col(RAW)).str.replace_all("\x00", "\\0", literal=True),
        ).with_columns(plh.col("__key").chash.sha2_256().str.head(32).alias("reject_id"))
        self._execute(
            "uploads/insert_rejects",
            reject_ids=known["reject_id"].to_list(),
            lines=known[LINE].to_list(),
            fields=known["field"].to_list(),
            reasons=known["reason"].to_list(),
            raws=known[RAW].to_list(),
        )
        self.rejected += rejects.height

    def settle(self) -> pl.DataFrame:
        """Leaves one staged row per record, and no record under the id of another call.

        Rows of a file that are known by their text are numbered through all of it. A record whose id another call has,
        in the warehouse or on an earlier line, is from then on known by its text too, see ``other_calls``.

        Returns:
            ``line`` of every row that a later one of the same id contradicts; they are not staged any more, and the
            caller rejects them.
        """
        nothing = pl.DataFrame(schema={LINE: pl.Int64})
        if self._duplicate is not None:
            return nothing
        self.step = "settle"
        if self.staged > _WORTH_ANALYZING:
            self._execute("records/analyze_stage")
        repeated = self._number("records/count_duplicates")
        if self.header.kind == "window":
            self._duplicate = self._execute("records/drop_duplicates") if repeated else 0
            return nothing
        if repeated:
            self._execute("records/renumber_occurrences")
        renamed = self._rename_other_calls(repeated=bool(repeated))
        repeated = self._number("records/count_duplicates") if repeated or renamed else 0
        conflicting = self._drop_conflicting() if repeated else nothing
        self._duplicate = self._execute("records/drop_duplicates") if repeated else 0
        if repeated or renamed:
            self._overlap, _ = self._numbers("records/count_overlap")
        return conflicting

    def _rename_other_calls(self, *, repeated: bool) -> int:
        """Finds what the warehouse has, and takes the ids of other calls from staged records; returns from how many."""
        moved = {"most_moved": MOST_MOVED}
        self._overlap, different = self._numbers("records/count_overlap")
        renamed = self._execute("records/separate_calls_in_warehouse", **moved) if different else 0
        renamed += self._execute("records/separate_calls_in_file", **moved) if repeated else 0
        if renamed:
            self.other_calls = self._number("records/count_other_calls")
        return renamed

    def _drop_conflicting(self) -> pl.DataFrame:
        with self.connection.cursor() as cursor:
            cursor.execute(statement("records/conflicting_lines"), self._parameters)
            lines = [line for (line,) in cursor]
        if lines:
            self.staged -= self._execute("records/drop_lines", lines=lines)
            # Rows that the warehouse has may be among them: what is left is worth a merge.
            self.known = 0
        return pl.DataFrame({LINE: lines}, schema={LINE: pl.Int64})

    def overlap(self) -> int:
        """How many staged records stand in the warehouse already, the same in everything."""
        self.settle()
        return self._overlap

    def classes(self) -> pl.DataFrame:
        """What a merge would do: ``line`` and ``row_class`` (inserted, updated, unchanged) of each staged record."""
        self.settle()
        with self.connection.cursor() as cursor:
            cursor.execute(statement("records/staged_classes"), self._parameters)
            return pl.DataFrame(cursor.fetchall(), schema={LINE: pl.Int64, "row_class": pl.String}, orient="row")

    def close_corrected(self, corrects: str, lines: Sequence[int]) -> None:
        """Closes the rejects of an earlier upload whose lines this one feeds again."""
        self._execute("uploads/close_corrected_rejects", corrects=corrects, lines=list(lines))

    def close_replayed_rejects(self) -> None:
        """Closes the rejects of an upload that is read again, where their lines are records now."""
        self._execute("uploads/close_fixed_rejects")

    def left_over(self) -> int:
        """How many records of earlier readings of an upload this one has not staged."""
        return self._number("records/count_left_over")

    def finish(self, *, read: int, filtered: int = 0, record: bool = True) -> LoadedBatch:
        """Merges what was staged and records the batch.

        Args:
            read: rows or logical lines that came in.
            filtered: lines that are no records.
            record: whether the ledger learns of it; a preview, which is rolled back, has nothing that it could.

        Raises:
            UnbalancedBatch: read rows are not all accounted for; the transaction is rolled back by the caller's block.
        """
        self.settle()
        duplicate = self._duplicate or 0
        merged = NOTHING_MERGED
        self.step = "merge"
        if self.staged > self.known:
            merged = merge_staged(self.connection, self._parameters, own_stage=self._own_stage)
        counts = BatchCounts(
            read=read,
            inserted=merged.inserted,
            updated=merged.updated,
            unchanged=self.staged - duplicate - merged.inserted - merged.updated,
            duplicate=duplicate,
            rejected=self.rejected,
            filtered=filtered,
        )
        counts.require_balance(f"{self.header.kind} of account {self.header.account_id}")
        if not self._own_stage:
            self._execute("records/clear_stage")
        self.loaded = LoadedBatch(counts, merged.touched)
        self.step = "record"
        if not record:
            return self.loaded
        self._execute(
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
            self._execute("collect/record_loaded_window")
        else:
            self._execute("uploads/record_loaded_upload", sha256=self.header.source)
        return self.loaded

    def _execute(self, name: str, /, **more: object) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(statement(name), self._parameters | more)
            return cursor.rowcount

    def _number(self, name: str) -> int:
        return self._numbers(name)[0]

    def _numbers(self, name: str) -> tuple[int, ...]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement(name), self._parameters)
            return tuple(map(int, next(cursor)))


def _shortened(raw: pl.Expr) -> pl.Expr:
    """The text of a rejected row; the beginning of one that is too long, with a note of how long it is."""
    length = raw.str.len_bytes()
    # Characters have up to four bytes: so many always fit.
    note = pl.concat_str(pl.lit(" ... cut: "), length.cast(pl.String), pl.lit(" bytes, whole in landing"))
    return pl.when(length > LONGEST_RAW).then(pl.concat_str(raw.str.head(LONGEST_RAW // 4), note)).otherwise(raw)


@contextmanager
def batch_load(connection: Connection[Any], header: BatchHeader, *, keep: bool = True) -> Generator[BatchLoad]:
    """One batch in one transaction; nothing of it stays when the block raises, or when it is not to be kept.

    Raises:
        WarehouseContended: another transaction stood in the way; the same batch may be loaded again at once.
        ValueNotStorable: a value that the checks let through is beyond what PostgreSQL holds; names batch and step.
        WarehouseUnavailable: the connection broke. Whether the batch is in the warehouse, the ledger knows.
    """
    load: BatchLoad | None = None

    def work() -> str:
        step = load.step if load else "begin"
        return f"{header.kind} {header.source} of account {header.account_id}, step {step}"

    with translated(work), connection.transaction(force_rollback=not keep):
        load = BatchLoad(connection, header)
        yield load
