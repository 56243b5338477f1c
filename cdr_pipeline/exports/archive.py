"""Parquet files of records that retention removes from the warehouse; the same records give the same bytes."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

import polars as pl

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.atomic import new_file, sole_writer
from cdr_pipeline.exports.exact_csv import typed
from cdr_pipeline.files.durable import PRIVATE_FOLDER

# Columns after the fields, in the order in which the warehouse writes them.
_BOOKKEEPING: Final = (
    "extra", "has_detail", "list_digest", "row_digest", "batch_id", "source_line", "changed_at", "linked_record_id",
)  # fmt: skip
_ROW_GROUP: Final = 20_000
# Archives contain complete records, which only the owner of the installation may read.
_ARCHIVE_MODE: Final = 0o400


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """An archive on disk: path, hash and number of records."""

    path: Path
    sha256: str
    rows: int


def write_archive(records: Iterable[bytes], target: Path) -> ArchivedFile:
    """Writes records with all columns. An archived file is never replaced.

    Args:
        records: CSV chunks without a header, fields and bookkeeping columns; at least one record.
        target: path of the file, which becomes read-only. If a file of that name has other bytes, for example because
            the warehouse was restored, the new file gets the next free number: ``name.2.parquet``.

    Raises:
        ExportError: the file cannot be written; no file with the target's name is created.
    """
    with (
        sole_writer(target.parent, mode=PRIVATE_FOLDER),
        new_file(target.with_suffix(".csv")) as plain,
        new_file(target) as packed,
    ):
        for chunk in records:
            plain.write(chunk)
        plain.handle.flush()
        columns = [*names(), *_BOOKKEEPING]
        cells = pl.scan_csv(plain.path, has_header=False, new_columns=columns, infer_schema=False, glob=False).select(
            *typed(names()),
            *(_bookkeeping(name) for name in _BOOKKEEPING),
        )
        cells.sink_parquet(
            cast("IO[bytes]", packed), compression="zstd", row_group_size=_ROW_GROUP, maintain_order=True
        )
        packed.handle.flush()
        rows = int(pl.scan_parquet(packed.path, glob=False).select(pl.len()).collect().item())
        number, path = 1, target
        while path.exists():
            if _hash(path) == packed.sha256:
                return ArchivedFile(path, packed.sha256, rows)
            number += 1
            path = target.with_name(f"{target.stem}.{number}{target.suffix}")
        packed.target = path
        packed.place(mode=_ARCHIVE_MODE, replace=False)
        return ArchivedFile(path, packed.sha256, rows)


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise ExportError(f"{path.name} cannot be read: {error.strerror}", hint="check its permissions") from None


def _bookkeeping(name: str) -> pl.Expr:
    column = pl.col(name)
    match name:
        case "has_detail":
            return (column == "true").alias(name)
        case "source_line":
            return column.cast(pl.Int64)
        case "changed_at":
            return column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC")
        case _:
            return column
