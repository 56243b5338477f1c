"""Verifies daily files against their manifests, without a warehouse.

Messages contain keys and numbers of the manifest. They never quote cells of a file, which may be personal data.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfoNotFoundError

import polars as pl

from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports import sums
from cdr_pipeline.exports.adjustment import reasons_of
from cdr_pipeline.exports.dialects.dialect import ExportDialect
from cdr_pipeline.exports.dialects.registry import ADJUSTMENT, dialect_named
from cdr_pipeline.exports.exact_csv import header, lines
from cdr_pipeline.exports.file_names import MANIFEST_SUFFIX, file_name, is_data_file, manifest_path
from cdr_pipeline.exports.manifest import Manifest, read_manifest, utc_text
from cdr_pipeline.exports.month import NOTE_SUFFIX, verify_month
from cdr_pipeline.exports.reading_back import read_cells
from cdr_pipeline.exports.totals import FileTotals, with_typed_values
from cdr_pipeline.files.store import as_local_file

# Begins the text about a lost file whose day was restated to replace it.
REPLACED: Final = "recorded as lost, replaced by"


def verify_tree(folder: Path) -> dict[Path, list[str]]:
    """Differences by path: of daily and monthly files below a folder, of missing files, and of ``SHA256SUMS`` lists."""
    files = {path for path in folder.rglob("*") if path.is_file() and is_data_file(path)}
    files |= {path.with_name(path.name.removesuffix(MANIFEST_SUFFIX)) for path in folder.rglob(f"*{MANIFEST_SUFFIX}")}
    differences = {path: verify_file(path) for path in sorted(files)}
    for note in sorted(folder.rglob(f"*{NOTE_SUFFIX}")):
        path = note.with_name(note.name.removesuffix(NOTE_SUFFIX))
        differences[path] = verify_month(path)
    differences |= {path: faults for path in sorted(folder.rglob(sums.NAME)) if (faults := _sum_differences(path))}
    for path, faults in differences.items():
        if faults and path.name != sums.NAME and (replaced := _replaced_as_lost(path)):
            faults.append(replaced)
    return differences


def verify_file(path: Path) -> list[str]:
    """Differences between a daily file and its manifest as text; empty if there are none.

    Each text begins with the key of the manifest that differs. Rows are always counted. Their values are compared only
    if the file has the manifest's hash, because values of a damaged file prove nothing.
    """
    try:
        manifest = read_manifest(manifest_path(path))
    except ExportError as error:
        return [error.message]
    if not path.is_file():
        return ["file: it is missing"]
    try:
        dialect = dialect_named(manifest.dialect)
    except ExportError:
        return [f"dialect: {manifest.dialect!r} is not known"]
    try:
        differences = [*_contradictions(manifest, dialect), *_byte_differences(path, manifest, dialect)]
        if differences:
            return [*differences, *_row_differences(path, manifest, dialect)]
        return _value_differences(path, manifest, dialect)
    except OSError as error:
        return [f"file: it cannot be read: {error.strerror}"]


def _contradictions(manifest: Manifest, dialect: ExportDialect) -> Iterator[str]:
    """Contradictions within the manifest; only an edited manifest has them."""
    try:
        name = file_name(
            manifest.account_id, manifest.business_date, manifest.version, dialect.name, manifest.compression
        )
    except ExportError:
        name = None
    if manifest.file != name:
        yield "file: the name is not that of the manifest's account, business date, version and dialect"
    if manifest.rule != dialect.rule:
        yield "rule: it does not belong to the dialect"
    if (manifest.supersedes is None) != (manifest.version == 1):
        yield "supersedes: it must be null in the first version and set in every later one"
    if manifest.state == "open" and manifest.version > 1:
        yield "state: a version after the first cannot be open"
    try:
        start, end = _bounds(manifest)
    except (ValueError, ZoneInfoNotFoundError, OSError):  # OSError: "Europe" is a folder of the zone database
        yield "window: the business date or the time zone is invalid"
    else:
        if (manifest.window_start_utc, manifest.window_end_utc) != (start, end):
            yield "window: the bounds are not those of the business date in the time zone"


def _bounds(manifest: Manifest) -> tuple[str, str]:
    day = date.fromisoformat(manifest.business_date)
    start, _ = day_bounds(day, manifest.time_zone)
    _, end = day_bounds(day, manifest.next_time_zone or manifest.time_zone)
    return utc_text(start), utc_text(end)


def _byte_differences(path: Path, manifest: Manifest, dialect: ExportDialect) -> Iterator[str]:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    yield from _unequal("file", manifest.file, path.name)
    yield from _unequal("bytes", manifest.bytes, path.stat().st_size)
    yield from _unequal("sha256", manifest.sha256, digest)
    if dialect.header is not None and manifest.compression == "none":
        yield from _header_differences(path, dialect.header(manifest.columns))


def _header_differences(path: Path, expected: bytes) -> Iterator[str]:
    with path.open("rb") as handle:
        if handle.readline(len(expected)) != expected:
            yield "columns: the first line is not the manifest's columns in their order"


def _row_differences(path: Path, manifest: Manifest, dialect: ExportDialect) -> Iterator[str]:
    """Difference of the number of rows of a damaged text file."""
    if not dialect.is_text or manifest.compression != "none":
        return
    try:
        with as_local_file(path) as local:
            rows = sum(cells.height for cells in dialect.read(local))
    except pl.exceptions.PolarsError:
        yield f"rows: they cannot be counted, the file is incomplete or not a file of the dialect {dialect.name}"
    else:
        yield from _unequal("rows", manifest.rows, rows)


def _value_differences(path: Path, manifest: Manifest, dialect: ExportDialect) -> list[str]:
    """Differences of rows, accounts, days, totals and content hash, recomputed from the cells."""
    totals = FileTotals(by=dialect.totals_by)
    content = hashlib.sha256(header(manifest.columns))
    rows, other_accounts, other_days, reasons = 0, 0, 0, dict[str, int]()
    try:
        for cells in read_cells(path, dialect.name, manifest.columns):
            content.update(lines(cells))
            totals.add(with_typed_values(cells))
            rows += cells.height
            other_accounts += cells.filter(pl.col("account_id") != manifest.account_id).height
            other_days += cells.filter(pl.col("business_date") != manifest.business_date).height
            if dialect.name == ADJUSTMENT:
                reasons = _summed(reasons, reasons_of(cells))
    except ExportError as error:
        return [f"columns: {error.message}"]
    except pl.exceptions.PolarsError:
        return ["totals: they cannot be recomputed, a value is not of its column's type"]
    differences = [*_unequal("rows", manifest.rows, rows)]
    differences += [f"account_id: {other_accounts} rows are of another account"] if other_accounts else []
    differences += [f"business_date: {other_days} rows are of another day"] if other_days else []
    differences += _unequal_leaves("totals", manifest.totals, totals.as_json())
    differences += _unequal_leaves("reasons", manifest.reasons, reasons)
    if not differences:
        differences += [*_unequal("content_sha256", manifest.content_sha256, content.hexdigest())]
    return differences


def _sum_differences(path: Path) -> list[str]:
    """Files that are missing, that are not in a ``SHA256SUMS`` list, or that have another hash there."""
    try:
        listed = sums.read_sums(path.parent)
    except ExportError as error:
        return [error.message]
    differences: list[str] = []
    announced = {note.name.removesuffix(MANIFEST_SUFFIX): note for note in path.parent.glob(f"*{MANIFEST_SUFFIX}")}
    for name in sorted(listed.keys() | announced.keys()):
        try:
            stated = read_manifest(announced[name]).sha256 if name in announced else None
        except ExportError:
            continue  # verify_file reports it
        if name not in listed:
            differences.append(f"{name}: it is not in the list")
        elif name not in announced and not (path.parent / name).is_file():
            replaced = _replaced_as_lost(path.with_name(name), listed[name])
            differences.append(f"{name}: {replaced or 'it is listed, but the file and its manifest are missing'}")
        elif stated is not None and listed[name] != stated:
            differences.append(f"{name}: the list has another hash than the manifest")
    return differences


def _replaced_as_lost(path: Path, sha256: str | None = None) -> str | None:
    """Text for a file that was recorded as lost when a newer version replaced it; None for other files.

    Only a version that replaces a lost file has no adjustment file, because the two cannot be compared.
    """
    manifests: list[Manifest] = []
    for note in sorted(path.parent.glob(f"*{MANIFEST_SUFFIX}")):
        try:
            manifests.append(read_manifest(note))
        except ExportError:
            continue
    if sha256 is None:
        sha256 = next((manifest.sha256 for manifest in manifests if manifest.file == path.name), None)
    newer = next((manifest for manifest in manifests if sha256 and manifest.supersedes == sha256), None)
    if newer is None:
        return None
    day = (newer.account_id, newer.business_date, newer.version)
    if any(
        (item.account_id, item.business_date, item.version) == day and item.dialect == ADJUSTMENT for item in manifests
    ):
        return None
    return f"{REPLACED} version {newer.version}, {newer.file}"


def _summed(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in one.keys() | other.keys()}


def _unequal(key: str, stated: object, actual: object) -> Iterator[str]:
    if stated != actual:
        yield f"{key}: the manifest says {stated}, the file has {actual}"


def _unequal_leaves(key: str, stated: Mapping[str, Any], actual: Mapping[str, Any]) -> Sequence[str]:
    stated_leaves, actual_leaves = _leaves(stated), _leaves(actual)
    unequal = [
        name
        for name in sorted(stated_leaves.keys() | actual_leaves.keys())
        if stated_leaves.get(name) != actual_leaves.get(name)
    ]
    if not unequal:
        return []
    listed = "; ".join(f"{name}: {stated_leaves.get(name)}, the file {actual_leaves.get(name)}" for name in unequal)
    return [f"{key}: the manifest says {listed}"]


def _leaves(totals: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested totals as ``{"api cost USD": "0.50000000"}``."""
    leaves: dict[str, Any] = {}
    for key, value in totals.items():
        name = f"{above} {key}".lstrip()
        leaves |= _leaves(value, name) if isinstance(value, Mapping) else {name: value}
    return leaves
