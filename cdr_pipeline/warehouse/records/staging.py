"""Stages rows with COPY: complete rows of changed records and of new ones that `NewRecords` leaves, keys of others."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import polars as pl
from psycopg import Connection

from cdr_pipeline.core.fields.dictionary import FIELDS, Kind
from cdr_pipeline.core.fields.schemas import FINGERPRINT, LINE
from cdr_pipeline.core.records.identity import is_fingerprint, with_digests
from cdr_pipeline.core.records.stored_extra import with_extra_of
from cdr_pipeline.warehouse.records.csv_values import csv_value, text_array
from cdr_pipeline.warehouse.records.new_records import NewRecords
from cdr_pipeline.warehouse.statement_runner import StatementRunner
from cdr_pipeline.warehouse.statements import BELIEVED_EQUAL, STAGED, on_table, statement

_STAGES: Final = ("cdr_stage", "cdr_link_stage")


def open_stage(connection: Connection[Any]) -> bool:
    """Creates a stage of the session's own, which is emptied at the end of every transaction.

    A cluster uses the shared, distributed stage instead; the load that fills it must clear it.

    Returns:
        Whether the session has its own stage.
    """
    row = connection.execute(statement("records/stage_state")).fetchone()
    if row is not None and row[0]:
        return False
    for stage in _STAGES:
        connection.execute(on_table("records/open_stage", "stage", stage))
    if row is None or not row[1]:
        connection.execute(on_table("records/disable_stage_compression", "stage", "pg_temp", _STAGES[0]))
    return True


@contextmanager
def indexed_stage(statements: StatementRunner, *, own_stage: bool) -> Generator[None]:
    """Gives the session's own stage an index while the block joins it with stored records.

    Statistics do not know records of new days, and the planner then reads the whole stage for each of them. The index
    is dropped, because it slows down the staging of the next batch.
    """
    if not own_stage:
        yield
        return
    statements.execute("records/index_stage")
    yield
    statements.execute("records/drop_stage_index")


def prepared(rows: pl.DataFrame, parameters: dict[str, Any]) -> pl.DataFrame:
    """Adds the columns of the stage that need no database: digests, batch and line, but not ``extra``.

    Args:
        rows: frame of the working schema, plus ``has_detail`` and ``detail_source`` for the switch's records; its
            digests are computed here unless it has them.
        parameters: batch_id of the batch.
    """
    if "has_detail" not in rows.columns:
        rows = rows.with_columns(
            pl.lit(value=False).alias("has_detail"), pl.lit(None, pl.String).alias("detail_source")
        )
    if FINGERPRINT not in rows.columns:
        rows = rows.with_columns(pl.lit(None, pl.String).alias(FINGERPRINT))
    return (rows if "list_digest" in rows.columns else with_digests(rows)).with_columns(
        pl.lit(str(parameters["batch_id"])).alias("batch_id"), pl.col(LINE).alias("source_line")
    )


def stage_rows(
    connection: Connection[Any], rows: pl.DataFrame, parameters: dict[str, Any], new_records: NewRecords
) -> int:
    """Inserts or stages one chunk of rows.

    Args:
        connection: in the batch's transaction, which holds the account's lock, so stored records cannot change.
        rows: rows as ``prepared`` returns them.
        parameters: account_id, origin, kind and batch_id of the batch.
        new_records: inserts rows that need no stage.

    Returns:
        Number of rows of which only the keys were staged, because the warehouse has the record unchanged.
    """
    stored, equal = _compared(connection, rows, parameters)
    taken = new_records.take_back(rows["record_id"].filter(stored))
    if taken.len():
        mine = rows["record_id"].is_in(taken.implode())
        stored &= ~mine
        equal &= ~mine
    inserted = new_records.chosen(rows, stored)
    if inserted.any():
        new_records.insert(rows.filter(inserted))
    changed = rows.filter(~equal & ~inserted).with_columns(pl.lit(value=False).alias("believed_equal"))
    unchanged = rows.filter(equal).with_columns(pl.lit(value=True).alias("believed_equal"))
    statements = StatementRunner(connection)
    if changed.height:
        columns = [csv_value(item.name, item.kind) for item in FIELDS]
        statements.copy(
            "records/copy_stage",
            changed,
            lambda piece: with_extra_of(parameters["kind"], piece).select(*columns, *STAGED),
        )
    if unchanged.height:
        kinds = {item.name: item.kind for item in FIELDS}
        statements.copy(
            "records/copy_stage_keys",
            unchanged.select(csv_value(name, kinds.get(name, Kind.TEXT)) for name in BELIEVED_EQUAL),
        )
    return unchanged.height


def _compared(
    connection: Connection[Any], rows: pl.DataFrame, parameters: dict[str, Any]
) -> tuple[pl.Series, pl.Series]:
    """Flags rows whose record is stored, and rows whose values equal the stored record.

    The second is preliminary, because a batch may contain a record twice.
    """
    # Lines identified by their text are numbered when the whole file is staged; until then their id is not final.
    named_ids = rows.filter((pl.col("origin") == "api") | ~is_fingerprint(pl.col("record_id")))["record_id"]
    if named_ids.is_empty():
        none = pl.repeat(value=False, n=rows.height, eager=True)
        return none, none
    with connection.cursor() as cursor:
        cursor.execute(
            statement("records/stored_digests"), parameters | {"record_ids": text_array(named_ids)}, binary=True
        )
        digests = cursor.fetchall()
    stored = pl.DataFrame(
        digests, schema=dict.fromkeys(("record_id", "stored_list", "stored_row"), pl.String), orient="row"
    ).with_columns(pl.col("stored_list", "stored_row").str.replace_all("-", "", literal=True))
    flags = (
        rows.select("record_id", "list_digest", "row_digest", "has_detail")
        .join(stored, on="record_id", how="left", maintain_order="left")
        .select(
            pl.col("stored_list").is_not_null().alias("stored"),
            (
                (pl.col("list_digest") == pl.col("stored_list"))
                & (~pl.col("has_detail") | (pl.col("row_digest") == pl.col("stored_row")))
            )
            .fill_null(value=False)
            .alias("equal"),
        )
    )
    return flags["stored"], flags["equal"]
