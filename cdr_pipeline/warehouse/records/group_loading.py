"""Loads small windows of several accounts in one transaction, with one statement for all of them.

A group is stored completely or not at all; a caller whose group fails loads its windows one by one. Only for a single
server: a cluster has no transaction over the rows of several accounts that is as cheap.

A window has no part in a group, and is loaded alone, if rows of it are rejected, if it has detail documents, or if
months of its account are removed.
"""

from collections import Counter
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
from psycopg import Connection, sql

from cdr_pipeline.core.fields.dictionary import FIELDS, KNOWN_LIST_KEYS
from cdr_pipeline.core.fields.schemas import DAY, FINGERPRINT, LINE
from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.core.records.links import LEG_REACH_DAYS
from cdr_pipeline.core.records.stored_extra import with_extra
from cdr_pipeline.errors import UnbalancedBatch
from cdr_pipeline.warehouse.records.batch import BatchHeader, LoadedBatch
from cdr_pipeline.warehouse.records.csv_values import csv_value, text_array
from cdr_pipeline.warehouse.records.links import link_batch
from cdr_pipeline.warehouse.records.partitions import add_missing_partitions, whole_months
from cdr_pipeline.warehouse.records.staging import indexed_stage, open_stage
from cdr_pipeline.warehouse.retention.masking import mask_erased
from cdr_pipeline.warehouse.server.engine import translated
from cdr_pipeline.warehouse.statement_runner import StatementRunner
from cdr_pipeline.warehouse.statements import BOOKKEEPING, KEYS, STAGED

_RECORD = ["account_id", "record_id"]


@dataclass(frozen=True, slots=True)
class LandedAgain:
    """A window that landed with the rows of its last load, perhaps.

    Attributes:
        header: origin and identity of the batch.
        starts_at, ends_at: the window.
        rules: hash of everything besides the rows on which the load depends.
    """

    header: BatchHeader
    starts_at: datetime
    ends_at: datetime
    rules: str


@dataclass(frozen=True, slots=True)
class SmallBatch:
    """Rows of a small window, all of them valid.

    Attributes:
        header: origin and identity of the batch.
        read: number of list rows of the window.
        rows: frame of the working schema with digests, one row per delivered record.
        rules: hash of everything besides the rows on which the load depends.
    """

    header: BatchHeader
    read: int
    rows: pl.DataFrame
    rules: str


@contextmanager
def account_group(connection: Connection[Any], account_ids: Collection[str]) -> Generator["AccountGroup"]:
    """Opens the transaction of a group and locks its accounts."""
    work = f"windows of {len(account_ids)} accounts"
    with translated(lambda: work), connection.transaction():
        StatementRunner(connection).rows("records/lock_accounts", account_ids=sorted(account_ids))
        yield AccountGroup(connection, frozenset(account_ids))


@dataclass(frozen=True, slots=True)
class AccountGroup:
    """Accounts whose windows are loaded in one transaction; at most one batch of each.

    Attributes:
        connection: connection in the transaction, which holds the accounts' locks.
        account_ids: ids of the accounts.
    """

    connection: Connection[Any]
    account_ids: frozenset[str]
    _statements: StatementRunner = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_statements", StatementRunner(self.connection))

    def removed_months(self) -> dict[str, frozenset[date]]:
        """First days of the removed months of each account that has any."""
        months: dict[str, set[date]] = {}
        for account_id, month in self._statements.tuples(
            "records/removed_months_of_accounts", account_ids=sorted(self.account_ids)
        ):
            months.setdefault(account_id, set()).add(month)
        return {account_id: frozenset(found) for account_id, found in months.items()}

    def record_unchanged(self, windows: Sequence[LandedAgain]) -> dict[str, LoadedBatch]:
        """Records those windows as loaded that need not be read; see ``record_unchanged`` of a single load.

        Returns:
            Result of each recorded window by account id; windows that have to be read are left out.
        """
        headers = [window.header for window in windows]
        rows = self._statements.tuples(
            "records/record_unchanged_windows",
            **_of(headers),
            business_dates=[header.business_date for header in headers],
            starts=[window.starts_at for window in windows],
            ends=[window.ends_at for window in windows],
            rules=[window.rules for window in windows],
        )
        loaded = {
            account_id: LoadedBatch(
                BatchCounts(read=read, unchanged=unchanged, duplicate=duplicate, filtered=filtered), frozenset()
            )
            for account_id, read, unchanged, duplicate, filtered in rows
        }
        self._record_loaded([(item.header, item.rules) for item in windows if item.header.account_id in loaded])
        return loaded

    def merge(self, batches: Sequence[SmallBatch]) -> dict[str, LoadedBatch]:
        """Merges batches and records them in the ledger.

        Returns:
            Result of each batch by account id.

        Raises:
            UnbalancedBatch: records were inserted or updated in another number than expected.
        """
        if not batches:
            return {}
        headers = [batch.header for batch in batches]
        delivered = _prepared(batches)
        single = _without_duplicates(delivered)
        compared = self._compared(single)
        new = compared.filter(pl.col("stored_day").is_null())
        changed = compared.filter(pl.col("stored_digest") != pl.col("list_digest"))
        if new.height:
            self._insert(_with_extra(new), headers[0].now)
        if changed.height:
            self._update(_with_extra(changed), headers[0].now)
        days = _days_by_account(new, changed)
        if days:
            self._follow_changes(headers, days, new, changed)
        counts = _counts(batches, single, new, changed)
        for account_id, count in counts.items():
            count.require_balance(f"window of account {account_id}")
        self._statements.execute("records/record_batches", **_of(headers), **_count_arrays(headers, counts))
        self._record_loaded([(batch.header, batch.rules) for batch in batches])
        return {
            account_id: LoadedBatch(count, frozenset(days.get(account_id, ()))) for account_id, count in counts.items()
        }

    def _compared(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Adds ``stored_day`` and ``stored_digest`` of the stored records."""
        stored = self._statements.tuples(
            "records/stored_digests_of_accounts",
            account_ids=text_array(rows["account_id"]),
            record_ids=text_array(rows["record_id"]),
        )
        schema = {"account_id": pl.String, "record_id": pl.String, "stored_day": pl.Date, "stored_digest": pl.String}
        known = pl.DataFrame(stored, schema=schema, orient="row").with_columns(
            pl.col("stored_digest").str.replace_all("-", "", literal=True)
        )
        return rows.join(known, on=_RECORD, how="left", maintain_order="left")

    def _insert(self, rows: pl.DataFrame, now: datetime) -> None:
        add_missing_partitions(self.connection, rows[DAY].unique().to_list(), apart=True)
        records = rows.with_columns(pl.lit(now.isoformat()).alias("changed_at")).select(
            *(csv_value(item.name, item.kind) for item in FIELDS), *BOOKKEEPING
        )
        self._statements.copy("records/copy_records", records, table=sql.Identifier("cdr"))
        self._statements.copy("records/copy_keys", rows.select(KEYS))

    def _update(self, rows: pl.DataFrame, now: datetime) -> None:
        add_missing_partitions(self.connection, rows[DAY].unique().to_list(), apart=True)
        open_stage(self.connection)
        staged = rows.with_columns(pl.lit(value=False).alias("believed_equal"))
        self._statements.copy(
            "records/copy_stage", staged.select(*(csv_value(item.name, item.kind) for item in FIELDS), *STAGED)
        )
        months: dict[str, Any] = whole_months(set(rows["stored_day"].to_list()))
        with indexed_stage(self._statements, own_stage=True):
            versions = self._statements.execute("records/insert_history_of_staged", **months, now=now)
            updated = self._statements.execute("records/update_staged_records", **months, now=now)
            keys = self._statements.execute("records/update_keys_of_staged")
        if not versions == updated == keys == rows.height:
            raise UnbalancedBatch(
                f"{rows.height} records should have been updated, {updated} were",
                hint="something else has deleted rows from the table cdr; restore the warehouse from a backup",
            )

    def _follow_changes(
        self, headers: Sequence[BatchHeader], days: dict[str, set[date]], new: pl.DataFrame, changed: pl.DataFrame
    ) -> None:
        """Masks erased records, links calls, and counts the changes of days, which ``days`` gets."""
        for (account_id,) in self._statements.tuples("records/erased_accounts", account_ids=sorted(days)):
            mask_erased(self.connection, account_id)
        self._link(headers, days, new, changed)
        changes = sorted((account_id, day) for account_id, found in days.items() for day in found)
        arrays = {"account_ids": [account_id for account_id, _ in changes], "dates": [day for _, day in changes]}
        now = headers[0].now
        self._statements.execute("records/touch_days_of_accounts", **arrays, now=now)
        self._statements.rows("records/lock_changes_of_accounts", account_ids=sorted(days))
        newest = Counter(dict(self._statements.tuples("records/newest_changes", account_ids=sorted(days))))
        numbers: list[int] = []
        for account_id, _ in changes:
            newest[account_id] += 1
            numbers.append(newest[account_id])
        self._statements.execute("records/add_changes_of_accounts", **arrays, numbers=numbers, now=now)

    def _link(
        self, headers: Sequence[BatchHeader], days: dict[str, set[date]], new: pl.DataFrame, changed: pl.DataFrame
    ) -> None:
        """Links calls of the accounts that have imported records, one account after the other."""
        reach = range(-LEG_REACH_DAYS, LEG_REACH_DAYS + 1)
        near = {day + timedelta(days=off) for found in days.values() for day in found for off in reach}
        linked = self._statements.tuples(
            "records/accounts_with_counterparts", account_ids=sorted(days), near_dates=sorted(near)
        )
        if not linked:
            return
        open_stage(self.connection)
        by_account = {header.account_id: header for header in headers}
        for (account_id,) in linked:
            header = by_account[account_id]
            mine = pl.col("account_id") == account_id
            inserted, updated = new.filter(mine), changed.filter(mine)
            parameters = asdict(header) | {
                "origin": header.origin,
                "copied_dates": inserted[DAY].unique().to_list(),
            }
            new_days = {*inserted[DAY].to_list(), *updated[DAY].to_list()}
            days[account_id] |= link_batch(self.connection, parameters, new_days, set(updated["stored_day"].to_list()))

    def _record_loaded(self, loaded: Sequence[tuple[BatchHeader, str]]) -> None:
        if loaded:
            arrays = _of([header for header, _ in loaded])
            self._statements.execute(
                "records/record_loaded_windows",
                account_ids=arrays["account_ids"],
                sources=arrays["sources"],
                batch_ids=arrays["batch_ids"],
                rules=[rules for _, rules in loaded],
            )


def _of(headers: Sequence[BatchHeader]) -> dict[str, Any]:
    """Parameters of the batches of a group."""
    return {
        "account_ids": [header.account_id for header in headers],
        "batch_ids": [header.batch_id for header in headers],
        "sources": [header.source for header in headers],
        "run_id": headers[0].run_id,
        "now": headers[0].now,
    }


def _prepared(batches: Sequence[SmallBatch]) -> pl.DataFrame:
    """Rows of all batches with the columns of the stage that need no database, but for ``extra``."""
    ids = pl.DataFrame(
        {
            "account_id": [batch.header.account_id for batch in batches],
            "batch_id": [str(batch.header.batch_id) for batch in batches],
        }
    )
    rows = pl.concat([batch.rows for batch in batches]).with_columns(
        pl.lit(value=False).alias("has_detail"),
        pl.lit(None, pl.String).alias("detail_source"),
        pl.lit(None, pl.String).alias(FINGERPRINT),
        pl.col(LINE).alias("source_line"),
    )
    return rows.join(ids, on="account_id", how="left", maintain_order="left")


def _with_extra(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds the column ``extra``, which only rows that are stored need."""
    return with_extra(rows, list_keys=KNOWN_LIST_KEYS, detail_keys=())


def _without_duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per record: the one that ends last, then the one with the greatest digest, then the last."""
    if not rows.select(pl.struct(_RECORD).is_duplicated().any()).item():
        return rows
    return rows.sort("ended_at", "row_digest", LINE, descending=True, nulls_last=True).unique(
        _RECORD, keep="first", maintain_order=True
    )


def _days_by_account(new: pl.DataFrame, changed: pl.DataFrame) -> dict[str, set[date]]:
    days: dict[str, set[date]] = {}
    found = pl.concat(
        [
            new.select("account_id", pl.col(DAY).alias("day")),
            changed.select("account_id", pl.col(DAY).alias("day")),
            changed.select("account_id", pl.col("stored_day").alias("day")),
        ]
    ).unique()
    for account_id, day in found.iter_rows():
        days.setdefault(account_id, set()).add(day)
    return days


def _counts(
    batches: Sequence[SmallBatch], single: pl.DataFrame, new: pl.DataFrame, changed: pl.DataFrame
) -> dict[str, BatchCounts]:
    records, inserted, updated = (
        dict(rows["account_id"].value_counts().iter_rows()) for rows in (single, new, changed)
    )
    counts: dict[str, BatchCounts] = {}
    for batch in batches:
        account_id, delivered = batch.header.account_id, batch.rows.height
        kept, added, replaced = (part.get(account_id, 0) for part in (records, inserted, updated))
        counts[account_id] = BatchCounts(
            read=batch.read,
            inserted=added,
            updated=replaced,
            unchanged=kept - added - replaced,
            duplicate=delivered - kept,
        )
    return counts


def _count_arrays(headers: Sequence[BatchHeader], counts: dict[str, BatchCounts]) -> dict[str, list[int]]:
    return {
        name: [getattr(counts[header.account_id], name) for header in headers]
        for name in ("read", "inserted", "updated", "unchanged", "duplicate")
    }
