"""Benchmark ``warehouse``: records of real width merged, again, changed and moved, beside the server's limit.

    pip install pandas && python tests/benchmarks/warehouse.py [--rows 2000000] [--peer-rows 50000]

The limit is the server's own COPY of a prepared binary file into an unlogged table without an index. The peers are dlt
(merge by primary key) and pandas (``to_sql``), as their documentation has them, on fewer rows, for their rates.
"""

import argparse
import os
import stat
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import polars as pl
import psycopg
from made_records import ACCOUNT, chunks
from measuring import Measured, line, measured
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.core.fields.schemas import EXTRA, LINE
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import upgrade

ROWS_PER_DAY = 50_000
BATCH_ROWS = 100_000
TABLES = ("cdr", "cdr_keys", "cdr_history", "cdr_links", "days")


def load(url: str, rows: int, changed_every: int, days_later: int) -> dict[str, int]:
    """All records in batches of a window's size; every so many are changed, or moved to a later day."""
    total: dict[str, int] = {}
    with connect(url) as connection:
        for first in range(0, rows, BATCH_ROWS):
            last = min(rows, first + BATCH_ROWS)
            header = BatchHeader(ACCOUNT, uuid4(), "window", "bench", datetime.now(UTC), date(2026, 1, 1))
            with batch_load(connection, header) as batch:
                moved = chunks(first, last, rows_per_day=ROWS_PER_DAY, days_later=days_later)
                for frame, later in zip(chunks(first, last, rows_per_day=ROWS_PER_DAY), moved, strict=True):
                    batch.stage(_changed(frame, later, changed_every, days_later))
                counts = batch.finish(read=batch.staged, record=False).counts
            for name in ("inserted", "updated", "unchanged"):
                total[name] = total.get(name, 0) + int(getattr(counts, name))
    return total


def _changed(frame: pl.DataFrame, later: pl.DataFrame, every: int, days_later: int) -> pl.DataFrame:
    if not every:
        return frame
    if days_later:
        return pl.concat([frame.filter(pl.col("line") % every != 0), later.filter(pl.col("line") % every == 0)])
    name = pl.when(pl.col("line") % every == 0).then(pl.lit("Changed")).otherwise("caller_id_name")
    return frame.with_columns(name.alias("caller_id_name"))


def stage(url: str, rows: int) -> int:
    """A preview: only as far as the stage, rolled back."""
    with connect(url) as connection:
        header = BatchHeader(ACCOUNT, uuid4(), "window", "bench", datetime.now(UTC), date(2026, 1, 1))
        with batch_load(connection, header, keep=False) as batch:
            for frame in chunks(rows * 10, rows * 11, rows_per_day=ROWS_PER_DAY):
                batch.stage(frame)
            return batch.staged


def server_copy(url: str, file: str) -> int:
    """The limit."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE limit_stage")
        return connection.execute(sql.SQL("COPY limit_stage FROM {} (FORMAT binary)").format(file)).rowcount


def prepare(url: str, rows: int, file: str) -> None:
    """The file of the limit, made of the same rows as they are delivered, with their documents."""
    delivered = (*names(), EXTRA, "detail_source", "has_detail", LINE)
    columns = sql.SQL(", ").join(map(sql.Identifier, names()))
    with connect(url) as connection:
        connection.execute(
            sql.SQL("CREATE UNLOGGED TABLE limit_stage AS SELECT {} FROM cdr WITH NO DATA").format(columns)
        )
        connection.execute(
            "ALTER TABLE limit_stage ADD extra_source text, ADD detail_source text, ADD has_detail boolean,"
            " ADD line bigint"
        )
        with connection.cursor() as cursor, cursor.copy("COPY limit_stage FROM STDIN (FORMAT csv)") as copy:
            for frame in chunks(0, rows, rows_per_day=ROWS_PER_DAY):
                copy.write(frame.select(delivered).write_csv(include_header=False))
        connection.execute(sql.SQL("COPY limit_stage TO {} (FORMAT binary)").format(file))


def dlt_merge(url: str, rows: int) -> int:
    """dlt's merge of the same columns, from Arrow."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
    import dlt  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - an extra of its own

    names = conninfo_to_dict(url)
    host = quote(str(names["host"]), safe="")
    address = {
        "database": names["dbname"],
        "username": "cdr",
        "password": "unused",
        "host": host,
        "port": 5432,
    }
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench", pipelines_dir=folder, dataset_name="peer",
            destination=dlt.destinations.postgres(credentials=address),
        )  # fmt: skip
        frame = pl.concat(chunks(0, rows, rows_per_day=ROWS_PER_DAY))
        key = ["account_id", "origin", "record_id"]
        resource = dlt.resource(frame.to_arrow(), name="cdr", write_disposition="merge", primary_key=key)
        pipeline.run(resource)
    return rows


def pandas_to_sql(url: str, rows: int) -> int:
    """pandas as its documentation has it: append, in chunks of many values."""
    frame = pl.concat(chunks(0, rows, rows_per_day=ROWS_PER_DAY)).to_pandas()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    frame.to_sql("pandas_cdr", engine, if_exists="append", index=False, chunksize=10_000)
    return rows


def _state(url: str) -> tuple[int, int, int]:
    """WAL written so far, bytes of the tables, dead rows in them."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT pg_current_wal_insert_lsn() - '0/0', sum(pg_total_relation_size(c.oid)),"
            " sum(pg_stat_get_dead_tuples(c.oid)) FROM pg_class AS c"
            " WHERE c.relkind = 'r' AND c.relname ~ '^(cdr_y|cdr_keys|cdr_history_y|cdr_links|days)'"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


def _step(name: str, url: str, rows: int, limit: float, *more: int) -> Measured:
    before = _state(url)
    part = measured(load, url, rows, *more)
    after = _state(url)
    print(
        f"{line(name, rows, part, limit)}  WAL {(after[0] - before[0]) / 1e6:9.1f} MB"
        f"  tables {after[1] / 1e6:7.0f} MB  dead rows {after[2]:,}  {part.result}",
        flush=True,
    )
    return part


def _peer(name: str, part: Any, url: str, rows: int, limit: float) -> None:
    try:
        print(line(name, rows, measured(part, url, rows), limit), flush=True)
    except RuntimeError as error:
        print(f"{name}: not run ({error})", flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--peer-rows", type=int, default=50_000)
    asked = parser.parse_args()
    sample = min(asked.rows, 200_000)
    with tempfile.TemporaryDirectory() as folder:
        # The server's user writes and reads the file.
        Path(folder).chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
        server = EmbeddedServer(Path(folder) / "warehouse")
        url = server.ensure_running()
        upgrade(url)
        file = str(Path(folder) / "rows.bin")
        prepare(url, sample, file)
        copied = measured(server_copy, url, file)
        limit = sample / copied.seconds
        print(line("limit: the server's COPY of a binary file", sample, copied, limit), flush=True)
        print(line("stage", sample, measured(stage, url, sample), limit), flush=True)
        _step("first load", url, asked.rows, limit, 0, 0)
        _step("the same again", url, asked.rows, limit, 0, 0)
        _step("1 % changed", url, asked.rows, limit, 100, 0)
        _step("back, and 1 % moved by 40 days", url, asked.rows, limit, 100, 40)
        _peer("peer: dlt, merge", dlt_merge, url, asked.peer_rows, limit)
        _peer("peer: pandas, to_sql", pandas_to_sql, url, asked.peer_rows, limit)
        server.destroy()


if __name__ == "__main__":
    main()
