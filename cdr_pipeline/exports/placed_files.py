"""Files of an open day that are on disk already and would be written again with the same bytes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from cdr_pipeline import __version__
from cdr_pipeline.errors import ExportError, SealedFileDamaged, SealedFileExists
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, manifest_of, require_bytes, require_not_final
from cdr_pipeline.exports.exact_csv import batches, header, scan_cells
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.manifest import Manifest, read_manifest
from cdr_pipeline.exports.small_files import counted_lines
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
    files = _described(days, recorded, export_dir)
    if files is None:
        return None
    try:
        for file in files:
            require_bytes(file.path, file.sha256)
        totals = _totals(files[0].path)
    except (ExportError, SealedFileDamaged, pl.exceptions.PolarsError):
        return None
    return files if _have_totals(files, totals) else None


def placed_small_files(
    days: Mapping[str, Mapping[str, DailyFile]],
    recorded: Mapping[str, Mapping[str, tuple[str, str | None, int]]],
    export_dir: Path,
) -> dict[str, list[WrittenFile]]:
    """The same for a day of several small accounts, whose rows are counted together.

    Args:
        days: day and version of the file in each dialect, by account id and dialect; the exact one first.
        recorded: files as the ledger recorded them, by account id and dialect.
        export_dir: root folder of all exports.

    Returns:
        Files by account id, without the accounts whose files have to be written or are compressed.
    """
    files: dict[str, list[WrittenFile]] = {}
    contents: dict[str, bytes] = {}
    beginning = header()
    for account_id, own in days.items():
        try:
            described = _described(own, recorded.get(account_id, {}), export_dir)
            if described is None or described[0].manifest.compression != "none":
                continue
            content = described[0].path.read_bytes()
            for file in described[1:]:
                require_bytes(file.path, file.sha256)
        except (OSError, ExportError, SealedFileDamaged, SealedFileExists):
            continue
        if hashlib.sha256(content).hexdigest() == described[0].sha256 and content.startswith(beginning):
            files[account_id] = described
            contents[account_id] = content[len(beginning) :]
    try:
        counted = counted_lines(contents)
    except ExportError:
        return {}
    return {
        account_id: own
        for account_id, own in files.items()
        if own[0].rows == counted[account_id].rows and _have_totals(own, counted[account_id].totals)
    }


def _described(
    days: Mapping[str, DailyFile], recorded: Mapping[str, tuple[str, str | None, int]], export_dir: Path
) -> list[WrittenFile] | None:
    """Files with the manifests that this version of the program would write; None if any has another one.

    Raises:
        SealedFileExists: a final file of this version, or of a later one, is on disk.
    """
    if _WITH_A_KEY in days or days.keys() != recorded.keys():
        return None
    files: list[WrittenFile] = []
    for dialect, day in days.items():
        path = day.path(export_dir, dialect)
        require_not_final(path, day)
        try:
            manifest = read_manifest(manifest_path(path))
        except ExportError:
            return None
        stated = (manifest.sha256, manifest.content_sha256, manifest.rows)
        if stated != recorded[dialect] or not _is_current(manifest, path, dialect, day):
            return None
        files.append(WrittenFile(path, manifest, changed=False))
    return files


def _have_totals(files: Sequence[WrittenFile], totals: dict[str, Any]) -> bool:
    """Whether the rows have the totals of the manifests, which the ledger does not know."""
    return all(file.manifest.totals == totals for file in files)


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
