"""Reads a daily file of any dialect as cells of the exact dialect, in chunks of rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import BY_NAME
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports import spreadsheet
from cdr_pipeline.exports.dialects import ExportDialect
from cdr_pipeline.exports.exact_csv import to_text
from cdr_pipeline.exports.workbook import read_workbook

_CHUNK_ROWS: Final = 50_000


def read_cells(path: Path, dialect: ExportDialect, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yields the rows of a file in order, with cells as in the exact dialect.

    Args:
        path: path of the file; compression is detected from its content.
        dialect: dialect of the file.
        columns: expected columns, in order.

    Raises:
        ExportError: the file is not of this dialect, or has other columns.
    """
    try:
        match dialect:
            case ExportDialect.XLSX:
                frames = read_workbook(path)
            case ExportDialect.PARQUET:
                frames = (
                    to_text(typed, typed.columns) if set(typed.columns) <= BY_NAME.keys() else typed
                    for typed in _batches(pl.scan_parquet(path, glob=False))
                )
            case ExportDialect.SPREADSHEET:
                frames = (spreadsheet.decode(cells) for cells in _batches(scan_cells(path)))
            case _:
                frames = _batches(scan_cells(path))
        for frame in frames:
            if frame.columns != list(columns):
                raise ExportError(f"{path.name} has other columns than its manifest")
            yield frame
    except pl.exceptions.PolarsError:
        raise ExportError(f"{path.name} is incomplete or not a file of the dialect {dialect}") from None


def scan_cells(path: Path) -> pl.LazyFrame:
    """A CSV file as text columns."""
    # glob=False: a folder may have [brackets] in its name.
    return pl.scan_csv(path, infer_schema=False, glob=False)


def _batches(scan: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    return scan.collect_batches(chunk_size=_CHUNK_ROWS, maintain_order=True)
