"""Reads a daily file of any dialect as cells of the exact dialect, in chunks of rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.dialects.registry import dialect_named
from cdr_pipeline.files.store import as_local_file


def read_cells(path: Path, dialect: str, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yields the rows of a file in order, with cells as in the exact dialect.

    Args:
        path: path of the file; compression is detected from its content.
        dialect: name of the dialect of the file.
        columns: expected columns, in order.

    Raises:
        ExportError: the file is not of this dialect, or has other columns; or the dialect is not known.
    """
    try:
        with as_local_file(path) as local:
            for frame in dialect_named(dialect).read(local):
                if frame.columns != list(columns):
                    raise ExportError(f"{path.name} has other columns than its manifest")
                yield frame
    except pl.exceptions.PolarsError:
        raise ExportError(f"{path.name} is incomplete or not a file of the dialect {dialect}") from None
