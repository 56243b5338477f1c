"""Writes the other dialects of a day from its exact file, so that all contain the same rows."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.atomic import AtomicFile
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, manifest_of, require_bytes, write_file
from cdr_pipeline.exports.dialects.dialect import ExactRows
from cdr_pipeline.exports.dialects.registry import EXACT, dialect_named
from cdr_pipeline.exports.manifest import Manifest
from cdr_pipeline.exports.reading_back import read_cells
from cdr_pipeline.files.store import as_local_file


def write_rendition(
    dialect: str,
    exact: WrittenFile,
    *,
    day: DailyFile,
    export_dir: Path,
    redaction_key: str | None = None,
    announce: bool = True,
) -> WrittenFile:
    """Writes one dialect of a day from its exact file.

    Args:
        dialect: name of the dialect to write; not ``exact`` or ``adjustment``.
        exact: exact file of the day, on disk.
        day: day and version of the exact file; ``supersedes`` is that of this dialect.
        export_dir: root folder of all exports.
        redaction_key: secret key of the dialect ``redacted``.
        announce: whether to write the manifest too.

    Raises:
        ConfigurationError: ``redacted`` without a key.
        SealedFileDamaged: the exact file on disk differs from ``exact``.
        ExportError: the file cannot be written, the exact file was replaced in the meantime, or the dialect is not
            known or not made from the exact file alone.
    """
    write, rule = dialect_named(dialect).write, dialect_named(dialect).rule
    if write is None:
        raise ExportError(f"the dialect {dialect} is not made from an exact file alone")
    columns = exact.manifest.columns
    require_bytes(exact.path, exact.sha256)
    source = exact.path.stat()

    def produce(writing: AtomicFile) -> Manifest:
        with as_local_file(exact.path) as local:
            frames = partial(read_cells, local, EXACT, columns)
            rows = ExactRows(local, columns, frames, day.compression, redaction_key)
            content_sha256 = write(rows, writing) or exact.manifest.content_sha256
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
