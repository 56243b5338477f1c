"""Brings rows into the stage: whole ones by COPY, those that the warehouse has already by their keys alone."""

from io import BytesIO
from typing import Any, Final

import polars as pl
from psycopg import Connection, sql

from cdr_pipeline.core.fields.dictionary import FIELDS, Kind
from cdr_pipeline.core.fields.schemas import FINGERPRINT, LINE
from cdr_pipeline.core.records.identity import is_fingerprint, with_digests
from cdr_pipeline.warehouse.statements import BELIEVED_EQUAL, STAGED, named, statement

_STAGES: Final = ("cdr_stage", "cdr_link_stage")


def open_stage(connection: Connection[Any]) -> bool:
    """Gives the session a stage of its own, empty after every transaction; returns whether it has one.

    On a cluster there is none: the shared, distributed stage is used, and cleared by whoever has filled it.
    """
    found = connection.execute(statement("records/stage_state")).fetchone()
    if found is not None and found[0]:
        return False
    for stage in _STAGES:
        connection.execute(named("records/open_stage", stage=sql.Identifier(stage)))
    if found is None or not found[1]:
        connection.execute(named("records/disable_stage_compression", stage=sql.Identifier("pg_temp", _STAGES[0])))
    return True


def stage_rows(connection: Connection[Any], rows: pl.DataFrame, parameters: dict[str, Any]) -> int:
    """Stages one chunk.

    Args:
        connection: in the batch's transaction, which holds the account's lock: what is known stays known.
        rows: working schema, plus ``has_detail`` and ``detail_source`` for the switch's records.
        parameters: of the batch: account_id, origin, batch_id.

    Returns:
        How many of the rows were staged by their keys alone, because the warehouse has them.
    """
    if "has_detail" not in rows.columns:
        rows = rows.with_columns(
            pl.lit(value=False).alias("has_detail"), pl.lit(None, pl.String).alias("detail_source")
        )
    if FINGERPRINT not in rows.columns:
        rows = rows.with_columns(pl.lit(None, pl.String).alias(FINGERPRINT))
    digested = with_digests(rows).with_columns(
        pl.lit(str(parameters["batch_id"])).alias("batch_id"), pl.col(LINE).alias("source_line")
    )
    believed = _believed_equal(connection, digested, parameters)
    fresh = digested.filter(~believed).with_columns(pl.lit(value=False).alias("believed_equal"))
    known = digested.filter(believed).with_columns(pl.lit(value=True).alias("believed_equal"))
    if fresh.height:
        _copy(
            connection, "records/copy_stage", fresh.select(*(_copied(item.name, item.kind) for item in FIELDS), *STAGED)
        )
    if known.height:
        kinds = {item.name: item.kind for item in FIELDS}
        _copy(
            connection,
            "records/copy_stage_keys",
            known.select(_copied(name, kinds.get(name, Kind.TEXT)) for name in BELIEVED_EQUAL),
        )
    return known.height


def _believed_equal(connection: Connection[Any], rows: pl.DataFrame, parameters: dict[str, Any]) -> pl.Series:
    """Which rows the warehouse has, the same in all that they bring. Only believed: a batch may hold a record twice."""
    # Lines known by their text are numbered anew once the whole file is staged; until then they have no key.
    named_ids = rows.filter((pl.col("origin") == "api") | ~is_fingerprint(pl.col("record_id")))["record_id"]
    if named_ids.is_empty():
        return pl.repeat(value=False, n=rows.height, eager=True)
    with connection.cursor() as cursor:
        cursor.execute(
            statement("records/stored_digests"), parameters | {"record_ids": named_ids.to_list()}, binary=True
        )
        found = cursor.fetchall()
    known = pl.DataFrame(
        found, schema=dict.fromkeys(("record_id", "known_list", "known_row"), pl.String), orient="row"
    ).with_columns(pl.col("known_list", "known_row").str.replace_all("-", "", literal=True))
    return (
        rows.select("record_id", "list_digest", "row_digest", "has_detail")
        .join(known, on="record_id", how="left", maintain_order="left")
        .select(
            (
                (pl.col("list_digest") == pl.col("known_list"))
                & (~pl.col("has_detail") | (pl.col("row_digest") == pl.col("known_row")))
            ).fill_null(value=False)
        )
        .to_series()
    )


def _copy(connection: Connection[Any], name: str, chunk: pl.DataFrame) -> None:
    written = BytesIO()
    chunk.write_csv(written, include_header=False)
    with connection.cursor() as cursor, cursor.copy(statement(name)) as copy:
        copy.write(written.getbuffer())


def _copied(name: str, kind: Kind) -> pl.Expr:
    """Instants as PostgreSQL reads them whatever the session's settings; everything else as Polars writes it."""
    if kind is Kind.INSTANT:
        return pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").alias(name)
    return pl.col(name)
