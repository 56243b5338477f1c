"""Checks daily files against their manifests, offline: anyone who has the two can do it.

What is found is said in words and numbers of the manifest; the text of a file, which holds numbers and names of
people, is never quoted.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import polars as pl

from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports import spreadsheet, sums
from cdr_pipeline.exports.adjustment import reasons_of
from cdr_pipeline.exports.dialects import MANIFEST_SUFFIX, ExportDialect, file_name, is_data_file, manifest_path
from cdr_pipeline.exports.exact_csv import header, lines
from cdr_pipeline.exports.manifest import Manifest, read_manifest, utc_text
from cdr_pipeline.exports.month import NOTE_SUFFIX, verify_month
from cdr_pipeline.exports.reading_back import read_cells, scan_cells
from cdr_pipeline.exports.redacted import RULE as REDACTED_RULE
from cdr_pipeline.exports.totals import FileTotals, counted

_RULES = {ExportDialect.SPREADSHEET: spreadsheet.RULE, ExportDialect.REDACTED: REDACTED_RULE}


def verify_tree(folder: Path) -> dict[Path, list[str]]:
    """Differences of every daily file below a folder, of every manifest whose file is missing, and of lists of sums."""
    files = {path for path in folder.rglob("*") if path.is_file() and is_data_file(path)}
    files |= {path.with_name(path.name.removesuffix(MANIFEST_SUFFIX)) for path in folder.rglob(f"*{MANIFEST_SUFFIX}")}
    found = {path: verify_file(path) for path in sorted(files)}
    for note in sorted(folder.rglob(f"*{NOTE_SUFFIX}")):
        path = note.with_name(note.name.removesuffix(NOTE_SUFFIX))
        found[path] = verify_month(path)
    return found | {path: found for path in sorted(folder.rglob(sums.NAME)) if (found := _sum_differences(path))}


def verify_file(path: Path) -> list[str]:
    """What differs between a daily file and its manifest, in words; empty when nothing does.

    Each begins with the key of the manifest that is not so. Rows are counted in any file; rows' values are compared
    only when the file is the manifest's to the byte, for those of a damaged one say nothing.
    """
    try:
        manifest = read_manifest(manifest_path(path))
    except ExportError as error:
        return [error.message]
    if not path.is_file():
        return ["file: it is missing"]
    try:
        dialect = ExportDialect(manifest.dialect)
    except ValueError:
        return [f"dialect: {manifest.dialect!r} is not known"]
    try:
        differences = [*_contradictions(manifest, dialect), *_byte_differences(path, manifest, dialect)]
        return differences or _value_differences(path, manifest, dialect)
    except OSError as error:
        return [f"file: it cannot be read: {error.strerror}"]


def _contradictions(manifest: Manifest, dialect: ExportDialect) -> Iterator[str]:
    """Where the manifest is at odds with itself: only an edited one is."""
    try:
        name = file_name(manifest.account_id, manifest.business_date, manifest.version, dialect, manifest.compression)
    except ExportError:
        name = None
    if manifest.file != name:
        yield "file: the name is not that of the manifest's account, business date, version and dialect"
    if manifest.rule != _RULES.get(dialect):
        yield "rule: it is not that of the dialect"
    if (manifest.supersedes is None) != (manifest.version == 1):
        yield "supersedes: the first version names none, every later one names the one before"
    if manifest.state == "open" and manifest.version > 1:
        yield "state: a later version is final"
    try:
        first, end = _bounds(manifest)
    except (ValueError, ZoneInfoNotFoundError, OSError):  # OSError: "Europe" is a folder of the zone database
        yield "window: the business date or the time zone is none"
    else:
        if (manifest.window_start_utc, manifest.window_end_utc) != (first, end):
            yield "window: the bounds are not those of the business date in the time zone"


def _bounds(manifest: Manifest) -> tuple[str, str]:
    day = date.fromisoformat(manifest.business_date)
    first, _ = day_bounds(day, manifest.time_zone)
    _, end = day_bounds(day, manifest.next_time_zone or manifest.time_zone)
    return utc_text(first), utc_text(end)


def _byte_differences(path: Path, manifest: Manifest, dialect: ExportDialect) -> Iterator[str]:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    yield from _unequal("file", manifest.file, path.name)
    yield from _unequal("bytes", manifest.bytes, path.stat().st_size)
    yield from _unequal("sha256", manifest.sha256, digest)
    if dialect.is_text and manifest.compression == "none":
        yield from _line_differences(path, manifest, dialect)


def _line_differences(path: Path, manifest: Manifest, dialect: ExportDialect) -> Iterator[str]:
    """Header and number of rows, of a damaged file too."""
    wanted = (
        header(manifest.columns) if dialect is not ExportDialect.SPREADSHEET else spreadsheet.header(manifest.columns)
    )
    with path.open("rb") as handle:
        if handle.readline(len(wanted)) != wanted:
            yield "columns: the first line is not the manifest's columns in their order"
    try:
        rows = int(scan_cells(path).select(pl.len()).collect().item())
    except pl.exceptions.PolarsError:
        yield "rows: they cannot be counted, the file is no whole CSV"
    else:
        yield from _unequal("rows", manifest.rows, rows)


def _value_differences(path: Path, manifest: Manifest, dialect: ExportDialect) -> list[str]:
    """Rows, whose they are, the totals and the hash of the content, recomputed from the cells."""
    adjustment = dialect is ExportDialect.ADJUSTMENT
    totals = FileTotals(by=("change", "side")) if adjustment else FileTotals()
    content = hashlib.sha256(header(manifest.columns))
    rows, strangers, other_days, reasons = 0, 0, 0, dict[str, int]()
    try:
        for cells in read_cells(path, dialect, manifest.columns):
            content.update(lines(cells))
            totals.add(counted(cells))
            rows += cells.height
            strangers += cells.filter(pl.col("account_id") != manifest.account_id).height
            other_days += cells.filter(pl.col("business_date") != manifest.business_date).height
            if adjustment:
                reasons = _added(reasons, reasons_of(cells))
    except ExportError as error:
        return [f"columns: {error.message}"]
    except pl.exceptions.PolarsError:
        return ["totals: they cannot be recomputed, a value is not of its column's type"]
    found = [*_unequal("rows", manifest.rows, rows)]
    found += [f"account_id: {strangers} rows are of another account"] if strangers else []
    found += [f"business_date: {other_days} rows are of another day"] if other_days else []
    found += _unequal_leaves("totals", manifest.totals, totals.as_json())
    found += _unequal_leaves("reasons", manifest.reasons, reasons)
    if not found:
        found += [*_unequal("content_sha256", manifest.content_sha256, content.hexdigest())]
    return found


def _sum_differences(path: Path) -> list[str]:
    """Files of a list of sums that are missing, differ from it, or are not in it."""
    try:
        listed = sums.read_sums(path.parent)
    except ExportError as error:
        return [error.message]
    found: list[str] = []
    announced = {note.name.removesuffix(MANIFEST_SUFFIX): note for note in path.parent.glob(f"*{MANIFEST_SUFFIX}")}
    for name in sorted(listed.keys() | announced.keys()):
        try:
            said = read_manifest(announced[name]).sha256 if name in announced else None
        except ExportError:
            continue  # the file's own check says so
        if name not in listed:
            found.append(f"{name}: it is not in the list")
        elif name not in announced and not (path.parent / name).is_file():
            found.append(f"{name}: it is listed, and neither the file nor its manifest is there")
        elif said is not None and listed[name] != said:
            found.append(f"{name}: the list has another hash than the manifest")
    return found


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in one.keys() | other.keys()}


def _unequal(what: str, said: object, found: object) -> Iterator[str]:
    if said != found:
        yield f"{what}: the manifest says {said}, the file has {found}"


def _unequal_leaves(what: str, said: Mapping[str, Any], found: Mapping[str, Any]) -> Sequence[str]:
    mine, real = _leaves(said), _leaves(found)
    unequal = [name for name in sorted(mine.keys() | real.keys()) if mine.get(name) != real.get(name)]
    if not unequal:
        return []
    listed = "; ".join(f"{name}: {mine.get(name)}, the file {real.get(name)}" for name in unequal)
    return [f"{what}: the manifest says {listed}"]


def _leaves(totals: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested totals as ``{"api cost USD": "0.50000000"}``."""
    leaves: dict[str, Any] = {}
    for key, value in totals.items():
        name = f"{above} {key}".lstrip()
        leaves |= _leaves(value, name) if isinstance(value, Mapping) else {name: value}
    return leaves
