"""Merges the staged records of a batch: history, updates, inserts, links and the change counters of days."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from psycopg import Connection

from cdr_pipeline.core.records.links import IMPORTED
from cdr_pipeline.errors import UnbalancedBatch
from cdr_pipeline.warehouse.accounts.changes import ChangeTable
from cdr_pipeline.warehouse.records.links import add_up_parts, calls_of_changed_parts, link_batch
from cdr_pipeline.warehouse.records.new_records import WORTH_FILLING, NewRecords
from cdr_pipeline.warehouse.records.partitions import (
    FilledMonth,
    add_missing_partitions,
    missing_months,
    whole_months,
)
from cdr_pipeline.warehouse.records.staging import indexed_stage
from cdr_pipeline.warehouse.retention.masking import mask_erased
from cdr_pipeline.warehouse.statement_runner import StatementRunner
from cdr_pipeline.warehouse.statements import on_table


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """Result of a merge.

    Attributes:
        inserted, updated: numbers of records.
        touched: business dates whose legs changed.
    """

    inserted: int
    updated: int
    touched: frozenset[date]


NOTHING_MERGED: Final = MergeCounts(0, 0, frozenset())


def merge_staged(
    connection: Connection[Any],
    parameters: dict[str, Any],
    new_records: NewRecords,
    *,
    own_stage: bool,
    kept: bool,
    any_staged: bool,
    withdrawn: frozenset[date] = frozenset(),
) -> MergeCounts:
    """Merges the staged records of a batch; the stage must hold one row per record.

    Args:
        connection: in the batch's transaction, which holds the account's lock.
        parameters: statement parameters of the batch.
        new_records: records that the batch has inserted without the stage.
        own_stage: whether the session has its own stage, as on a server without Citus.
        kept: whether the batch is stored; a preview is rolled back.
        any_staged: whether rows are staged besides keys of unchanged records.
        withdrawn: days of records that the batch has withdrawn.

    Raises:
        UnbalancedBatch: stored records that the batch changes are missing from the table.
    """
    statements = StatementRunner(connection, parameters)
    affected = statements.tuples("records/affected_days") if any_staged else []
    if not affected and not withdrawn and not new_records.count:
        return NOTHING_MERGED
    new_days = {row[0] for row in affected}
    old_days = {row[1] for row in affected if row[1] is not None}
    new_rows = Counter[date]()
    for day, before, rows in affected:
        if before is None:
            new_rows[day] += rows
    # A record that moves into a new month needs an attached partition; a batch of new records can fill it first.
    months = _worth_filling(connection, new_rows) if own_stage and not old_days else set()
    unfilled = {day for day in new_days if day.replace(day=1) not in months | new_records.filled}
    # Months that are filled are attached last, because other loads that create a month wait from then on.
    add_missing_partitions(connection, unfilled, apart=own_stage and kept)
    filled = _fill(connection, parameters, months, new_rows)
    new_records.attach_filled()
    updated = 0
    if old_days:
        with indexed_stage(statements, own_stage=own_stage):
            updated = _update(statements, parameters["account_id"], affected)
    inserted = sum(filled.values()) + new_records.count
    if elsewhere := [day for day in new_rows if day.replace(day=1) not in filled]:
        inserted += _insert(connection, parameters, "cdr", elsewhere)
    if affected:
        statements.execute("records/upsert_keys" if old_days else "records/insert_keys")
    new_days |= new_records.by_day.keys()
    # An erased record stays masked when it is delivered again, even in another form.
    mask_erased(connection, parameters["account_id"])
    touched = new_days | old_days | withdrawn
    if old_days and parameters["origin"] == IMPORTED:
        calls = calls_of_changed_parts(connection, parameters, old_days)
        touched |= add_up_parts(connection, parameters["account_id"], calls)
    copied = parameters | {"copied_dates": sorted(new_records.by_day)}
    touched |= link_batch(connection, copied, new_days, old_days | withdrawn)
    statements.execute("records/touch_days", dates=sorted(touched))
    ChangeTable(connection).add(parameters["account_id"], "records", touched, now=parameters["now"])
    return MergeCounts(inserted, updated, frozenset(touched))


def _worth_filling(connection: Connection[Any], new_rows: Counter[date]) -> set[date]:
    """Missing months that get enough records to be filled before they are attached."""
    rows = Counter[date]()
    for day, count in new_rows.items():
        rows[day.replace(day=1)] += count
    return set(missing_months(connection, (month for month, count in rows.items() if count >= WORTH_FILLING)))


def _fill(
    connection: Connection[Any], parameters: dict[str, Any], months: Iterable[date], new_rows: Counter[date]
) -> dict[date, int]:
    """Inserts records into tables that become the partitions of new months; returns their number by month."""
    tables = [FilledMonth(connection, month, parameters["batch_id"]) for month in sorted(months)]
    filled: dict[date, int] = {}
    for table in tables:
        days = [day for day in new_rows if day.replace(day=1) == table.month]
        filled[table.month] = _insert(connection, parameters, table.name, days)
    for table in tables:
        table.attach()
    return filled


def _update(statements: StatementRunner, account_id: str, affected: Sequence[tuple[Any, ...]]) -> int:
    """Updates changed records and keeps their earlier versions; rows of ``affected``: new day, day before, records."""
    months = whole_months({before for _, before, _ in affected if before is not None})
    versions = statements.execute("records/insert_history", **months)
    updated = statements.execute("records/update_records", **months)
    expected = sum(rows for _, before, rows in affected if before is not None)
    if not versions == updated == expected:
        raise UnbalancedBatch(
            f"account {account_id}: {expected} records should have been updated, {updated} were",
            hint="something else has deleted rows from the table cdr; restore the warehouse from a backup",
        )
    return updated


def _insert(connection: Connection[Any], parameters: dict[str, Any], table: str, days: Sequence[date]) -> int:
    insert = on_table("records/insert_records", "table", table)
    with connection.cursor() as cursor:
        cursor.execute(insert, parameters | {"dates": sorted(days)})
        return cursor.rowcount
