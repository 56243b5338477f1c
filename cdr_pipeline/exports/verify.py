"""Checks daily files against their manifests, offline: anyone who has the two can do it.

What is found is said in words and numbers of the manifest; the text of a file, which holds numbers and names of
people, is never quoted.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfoNotFoundError

import polars as pl

from cdr_pipeline.core.business_day import day_bounds
from cdr_pipeline.core.fields import BY_NAME, Kind
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.exact_csv import DIALECT
from cdr_pipeline.exports.manifest import Manifest, file_name, manifest_path, read_manifest, utc_text
from cdr_pipeline.exports.totals import Totals

_CHUNK_ROWS: Final = 100_000
_NUMBERS: Final = (Kind.SECONDS, Kind.MONEY)
_READ: Final = (
    "account_id", "business_date", "origin", "answered", "duration_seconds", "billing_seconds", "cost", "cost_currency",
)  # fmt: skip


def verify_tree(folder: Path) -> dict[Path, list[str]]:
    """Differences of every daily file below a folder, and of every manifest whose file is missing."""
    files = set(folder.rglob("*.csv"))
    files |= {path.with_name(path.name.removesuffix(".manifest.json")) for path in folder.rglob("*.manifest.json")}
    return {path: verify_file(path) for path in sorted(files)}


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
        differences = [*_contradictions(manifest), *_byte_differences(path, manifest)]
        return differences or _value_differences(path, manifest)
    except OSError as error:
        return [f"file: it cannot be read: {error.strerror}"]


def _contradictions(manifest: Manifest) -> Iterator[str]:
    """Where the manifest is at odds with itself: only an edited one is."""
    if manifest.dialect != DIALECT:
        yield f"dialect: {manifest.dialect!r} is not known"
    if manifest.file != file_name(manifest.account_id, manifest.business_date, manifest.version):
        yield "file: the name is not that of the manifest's account, business date and version"
    try:
        first, end = day_bounds(date.fromisoformat(manifest.business_date), manifest.time_zone)
    except (ValueError, ZoneInfoNotFoundError, OSError):  # OSError: "Europe" is a folder of the zone database
        yield "window: the business date or the time zone is none"
    else:
        if (manifest.window_start_utc, manifest.window_end_utc) != (utc_text(first), utc_text(end)):
            yield "window: the bounds are not those of the business date in the time zone"


def _byte_differences(path: Path, manifest: Manifest) -> Iterator[str]:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0)
        header = handle.readline().decode("utf-8", errors="replace").removesuffix("\r\n").split(",")
    yield from _unequal("file", manifest.file, path.name)
    yield from _unequal("bytes", manifest.bytes, path.stat().st_size)
    yield from _unequal("sha256", manifest.sha256, digest)
    if manifest.columns != header:
        yield "columns: the first line is not the manifest's columns in their order"
    try:
        rows = int(_scan(path).select(pl.len()).collect().item())
    except pl.exceptions.PolarsError:
        yield "rows: they cannot be counted, the file is no whole CSV"
    else:
        yield from _unequal("rows", manifest.rows, rows)


def _value_differences(path: Path, manifest: Manifest) -> list[str]:
    """Whose the rows are, and the totals, recomputed from the text."""
    totals, strangers, other_days = Totals(), 0, 0
    try:
        for chunk in _chunks(path):
            totals.add(chunk)
            strangers += chunk.filter(pl.col("account_id") != manifest.account_id).height
            other_days += chunk.filter(pl.col("business_date") != manifest.business_date).height
    except pl.exceptions.PolarsError:
        return ["totals: they cannot be recomputed, a value is not of its column's type"]
    found = [f"account_id: {strangers} rows are of another account"] if strangers else []
    found += [f"business_date: {other_days} rows are of another day"] if other_days else []
    said, real = _leaves(manifest.totals), _leaves(totals.as_json())
    unequal = [name for name in sorted(said.keys() | real.keys()) if said.get(name) != real.get(name)]
    if unequal:
        listed = "; ".join(f"{name}: {said.get(name)}, the file {real.get(name)}" for name in unequal)
        found.append(f"totals: the manifest says {listed}")
    return found


def _scan(path: Path) -> pl.LazyFrame:
    # glob=False: a folder may have [brackets] in its name.
    return pl.scan_csv(path, infer_schema=False, glob=False)


def _chunks(path: Path) -> Iterator[pl.DataFrame]:
    """The columns that are compared, typed, some rows at a time."""
    for batch in _scan(path).select(_READ).collect_batches(chunk_size=_CHUNK_ROWS):
        yield batch.with_columns(
            pl.col("answered") == "true",
            *(pl.col(name).cast(BY_NAME[name].kind.dtype) for name in _READ if BY_NAME[name].kind in _NUMBERS),
        )


def _unequal(what: str, said: object, found: object) -> Iterator[str]:
    if said != found:
        yield f"{what}: the manifest says {said}, the file has {found}"


def _leaves(totals: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested totals as ``{"api cost USD": "0.50000000"}``."""
    leaves: dict[str, Any] = {}
    for key, value in totals.items():
        name = f"{above} {key}".lstrip()
        leaves |= _leaves(value, name) if isinstance(value, Mapping) else {name: value}
    return leaves
