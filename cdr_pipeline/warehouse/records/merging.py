"""Merges what a batch has staged: keeps versions that change, inserts what is new, links the legs, notes the days."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from psycopg import Connection, sql

from cdr_pipeline.errors import UnbalancedBatch
from cdr_pipeline.warehouse.records.links import link_batch
from cdr_pipeline.warehouse.records.partitions import missing_partitions, partition_name
from cdr_pipeline.warehouse.retention.masking import mask_erased
from cdr_pipeline.warehouse.statements import named, statement

# From so many records on, a new month is filled before it has indexes; each such month reads the stage once more.
WORTH_FILLING: Final = 5_000


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """What a merge did.

    Attributes:
        inserted, updated: records.
        touched: business dates whose legs changed.
    """

    inserted: int
    updated: int
    touched: frozenset[date]


NOTHING_MERGED: Final = MergeCounts(0, 0, frozenset())


def merge_staged(connection: Connection[Any], parameters: dict[str, Any], *, own_stage: bool) -> MergeCounts:
    """Merges a batch.

    Args:
        connection: in the batch's transaction, which holds the account's lock; one staged row per record.
        parameters: of the batch.
        own_stage: the session's own, on a server that is no cluster.

    Raises:
        UnbalancedBatch: records that are known to the account are not where they should be.
    """
    with connection.cursor() as cursor:
        cursor.execute(statement("records/affected_days"), parameters)
        affected = cursor.fetchall()
    if not affected:
        return NOTHING_MERGED
    gone_to = {row[0] for row in affected}
    come_from = {row[1] for row in affected if row[1] is not None}
    new_rows = Counter[date]()
    for day, before, rows in affected:
        if before is None:
            new_rows[day] += rows
    filled: dict[date, int] = {}
    with missing_partitions(connection, gone_to) as new_months:
        # A record that moves into a new month needs its partition; a batch that only adds can fill it first.
        if own_stage and not come_from:
            filled = _fill(connection, parameters, new_months, new_rows)
    updated = _update(connection, parameters, affected) if come_from else 0
    inserted = sum(filled.values())
    if elsewhere := [day for day in new_rows if day.replace(day=1) not in filled]:
        inserted += _insert(connection, parameters, "cdr", elsewhere)
    _execute(connection, "records/upsert_keys" if come_from else "records/insert_keys", parameters)
    # What was erased stays so, in whatever form its record comes again.
    mask_erased(connection, parameters["account_id"])
    touched = gone_to | come_from
    touched |= link_batch(connection, parameters, gone_to, come_from)
    _execute(connection, "records/touch_days", parameters | {"dates": sorted(touched)})
    return MergeCounts(inserted, updated, frozenset(touched))


def _fill(
    connection: Connection[Any], parameters: dict[str, Any], months: Sequence[date], new_rows: Counter[date]
) -> dict[date, int]:
    """Puts records into the tables of new months, where they are many; returns how many by month."""
    days = {month: [day for day in new_rows if day.replace(day=1) == month] for month in months}
    return {
        month: _insert(connection, parameters, partition_name("cdr", month), days[month])
        for month in months
        if sum(new_rows[day] for day in days[month]) >= WORTH_FILLING
    }


def _update(
    connection: Connection[Any], parameters: dict[str, Any], affected: Sequence[tuple[date, date | None, int]]
) -> int:
    present = parameters | {"present_dates": sorted({before for _, before, _ in affected if before is not None})}
    kept = _execute(connection, "records/insert_history", present)
    updated = _execute(connection, "records/update_records", present)
    known = sum(rows for _, before, rows in affected if before is not None)
    if not kept == updated == known:
        raise UnbalancedBatch(
            f"account {parameters['account_id']}: {known} records are known to change and {updated} did",
            hint="records were removed from the table cdr by other means; restore them from a backup",
        )
    return updated


def _insert(connection: Connection[Any], parameters: dict[str, Any], table: str, days: Sequence[date]) -> int:
    into = named("records/insert_records", table=sql.Identifier(table))
    with connection.cursor() as cursor:
        cursor.execute(into, parameters | {"dates": sorted(days)})
        return cursor.rowcount


def _execute(connection: Connection[Any], name: str, parameters: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement(name), parameters)
        return cursor.rowcount
