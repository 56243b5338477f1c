"""Writes the other dialects of a day from its exact file, so that all contain the same rows."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Final, cast

import polars as pl

from cdr_pipeline.errors import ConfigurationError, ExportError
from cdr_pipeline.exports import redacted, spreadsheet
from cdr_pipeline.exports.atomic import AtomicFile
from cdr_pipeline.exports.daily_file import Content, DailyFile, WrittenFile, manifest_of, require_bytes, write_file
from cdr_pipeline.exports.dialects import ExportDialect
from cdr_pipeline.exports.exact_csv import header, lines, typed
from cdr_pipeline.exports.manifest import Manifest
from cdr_pipeline.exports.reading_back import read_cells, scan_cells
from cdr_pipeline.exports.workbook import write_workbook

_PARQUET_ROWS: Final = 100_000


def write_rendition(
    dialect: ExportDialect,
    exact: WrittenFile,
    *,
    day: DailyFile,
    export_dir: Path,
    redaction_key: str | None = None,
    announce: bool = True,
) -> WrittenFile:
    """Writes one dialect of a day from its exact file.

    Args:
        dialect: dialect to write; not ``exact``.
        exact: exact file of the day, on disk.
        day: day and version of the exact file; ``supersedes`` is that of this dialect.
        export_dir: root folder of all exports.
        redaction_key: secret key of the dialect ``redacted``.
        announce: whether to write the manifest too.

    Raises:
        ConfigurationError: ``redacted`` without a key.
        SealedFileDamaged: the exact file on disk differs from ``exact``.
        ExportError: the file cannot be written, or the exact file was replaced in the meantime.
    """
    columns = exact.manifest.columns
    require_bytes(exact.path, exact.sha256)
    source = exact.path.stat()

    def cells() -> Iterator[pl.DataFrame]:
        return read_cells(exact.path, ExportDialect.EXACT, columns)

    def produce(writing: AtomicFile) -> Manifest:
        content_sha256, rule = exact.manifest.content_sha256, None
        match dialect:
            case ExportDialect.SPREADSHEET:
                rule = spreadsheet.RULE
                content = Content(writing, day.compression)
                content.write(spreadsheet.header(columns))
                for frame in cells():
                    content.write(spreadsheet.encode(frame))
                content.finish()
            case ExportDialect.REDACTED:
                rule = redacted.RULE
                content = Content(writing, day.compression)
                content.write(header(columns))
                for frame in cells():
                    content.write(lines(redacted.redacted(frame, _require_key(redaction_key))))
                content_sha256 = content.finish()
            case ExportDialect.XLSX:
                write_workbook(cells(), columns, cast("IO[bytes]", writing), writing.target.parent)
            case _:
                _write_parquet(exact.path, columns, writing)
        if not os.path.samestat(source, exact.path.stat()):
            raise ExportError(
                f"{exact.path.name} was replaced while {writing.target.name} was made from it",
                hint="export the day again when no other export of it is running",
            )
        manifest = manifest_of(day, dialect, writing, content_sha256)
        return replace(
            manifest, rows=exact.rows, totals=exact.manifest.totals, columns=columns, rule=rule,
            late_rows=exact.manifest.late_rows,
        )  # fmt: skip

    return write_file(day.path(export_dir, dialect), produce, day=day, announce=announce)


def _write_parquet(exact: Path, columns: list[str], writing: AtomicFile) -> None:
    scan_cells(exact).select(typed(columns)).sink_parquet(
        cast("IO[bytes]", writing), compression="zstd", row_group_size=_PARQUET_ROWS, maintain_order=True
    )


def _require_key(key: str | None) -> str:
    if key is None:
        raise ConfigurationError(
            "redacted files need a key",
            hint="set CDR_REDACTION_KEY to a long random text, and keep it: another key produces other masks",
        )
    return key
