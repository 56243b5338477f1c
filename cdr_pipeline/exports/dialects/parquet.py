"""The dialect ``parquet``: columns with the types of the field dictionary."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

import polars as pl

from cdr_pipeline.core.fields.dictionary import BY_NAME
from cdr_pipeline.exports.atomic import AtomicFile
from cdr_pipeline.exports.dialects.dialect import ExactRows, ExportDialect
from cdr_pipeline.exports.exact_csv import batches, scan_cells, to_text, typed

_ROW_GROUP: Final = 100_000


def _write(rows: ExactRows, writing: AtomicFile) -> None:
    scan_cells(rows.path).select(typed(rows.columns)).sink_parquet(
        cast("IO[bytes]", writing), compression="zstd", row_group_size=_ROW_GROUP, maintain_order=True
    )


def _read(path: Path) -> Iterator[pl.DataFrame]:
    for frame in batches(pl.scan_parquet(path, glob=False)):
        yield to_text(frame, frame.columns) if set(frame.columns) <= BY_NAME.keys() else frame


DIALECT: Final = ExportDialect(
    name="parquet", suffix=".parquet", description="Parquet with typed columns", read=_read, write=_write
)
