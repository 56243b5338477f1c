"""Files of an open day that are on disk already and would be written again with the same bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from cdr_pipeline import __version__
from cdr_pipeline.errors import ExportError, SealedFileDamaged
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, manifest_of, require_bytes, require_not_final
from cdr_pipeline.exports.dialects.registry import EXACT
from cdr_pipeline.exports.exact_csv import batches, scan_cells
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.manifest import Manifest, read_manifest
from cdr_pipeline.exports.totals import COUNTED, FileTotals, with_typed_values
from cdr_pipeline.files.store import as_local_file

# Its bytes depend on a key that no manifest names.
_WITH_A_KEY: Final = "redacted"


@dataclass(frozen=True, slots=True)
class _PlacedFile:
    """Name, hash and size of a file on disk, as a manifest describes them."""

    target: Path
    sha256: str
    size: int


def placed_files(
    days: Mapping[str, DailyFile], recorded: Mapping[str, tuple[str, str | None, int]], export_dir: Path
) -> list[WrittenFile] | None:
    """Files that need not be written again; only for a day whose records have not changed since they were written.

    Args:
        days: day and version of the file in each dialect, by dialect; the exact one first.
        recorded: files as the ledger recorded them, by dialect: sha256 of file and content, number of rows.
        export_dir: root folder of all exports.

    Returns:
        The files in the order of ``days``. None if any of them has to be written: it is missing or has other bytes,
        another version of the program has written it, or its manifest would differ.

    Raises:
        SealedFileExists: a final file of this version, or of a later one, is on disk.
    """
    if _WITH_A_KEY in days or days.keys() != recorded.keys():
        return None
    files: list[WrittenFile] = []
    totals: dict[str, Any] | None = None
    for dialect, day in days.items():
        path = day.path(export_dir, dialect)
        require_not_final(path, day)
        try:
            manifest = read_manifest(manifest_path(path))
            stated = (manifest.sha256, manifest.content_sha256, manifest.rows)
            if stated != recorded[dialect] or not _is_current(manifest, path, dialect, day):
                return None
            require_bytes(path, manifest.sha256)
            if dialect == EXACT:
                totals = _totals(path)
        except (ExportError, SealedFileDamaged, pl.exceptions.PolarsError):
            return None
        # The ledger does not know the totals, so those of the manifest count only if the rows have them.
        if manifest.totals != totals:
            return None
        files.append(WrittenFile(path, manifest, changed=False))
    return files


def _totals(path: Path) -> dict[str, Any]:
    """Totals of the rows of an exact file."""
    totals = FileTotals()
    with as_local_file(path) as local:
        for cells in batches(scan_cells(local).select(*totals.by, *COUNTED)):
            totals.add(with_typed_values(cells))
    return totals.as_json()


def _is_current(manifest: Manifest, path: Path, dialect: str, day: DailyFile) -> bool:
    """Whether the manifest is the one that this version of the program would write now for these bytes."""
    if manifest.producer.get("version") != __version__:
        return False
    placed = _PlacedFile(path, manifest.sha256, manifest.bytes)
    expected = replace(
        manifest_of(day, dialect, placed, manifest.content_sha256),
        rows=manifest.rows, totals=manifest.totals, rule=manifest.rule, late_rows=manifest.late_rows,
    )  # fmt: skip
    return manifest.equal_content(expected)
