"""Checks daily files against their manifests, offline: anyone who has the two can do it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from cdr_pipeline.core.fields import BY_NAME, Kind
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.manifest import Manifest, manifest_path, read_manifest
from cdr_pipeline.exports.totals import Totals

_CHUNK_ROWS: Final = 100_000
_NUMBERS: Final = (Kind.SECONDS, Kind.MONEY)


def verify_tree(folder: Path) -> dict[Path, list[str]]:
    """Differences of every daily file below a folder, and of every manifest whose file is missing."""
    files = set(folder.rglob("*.csv"))
    files |= {path.with_name(path.name.removesuffix(".manifest.json")) for path in folder.rglob("*.manifest.json")}
    return {path: verify_file(path) for path in sorted(files)}


def verify_file(path: Path) -> list[str]:
    """What differs between a daily file and its manifest, in words; empty when nothing does."""
    try:
        manifest = read_manifest(manifest_path(path))
    except ExportError as error:
        return [error.message]
    if not path.is_file():
        return ["the file is missing"]
    differences = [
        f"{what}: the manifest says {said}, the file has {found}"
        for what, said, found in _facts(path, manifest)
        if said != found
    ]
    if differences:
        return differences
    return _content_differences(path, manifest)


def _facts(path: Path, manifest: Manifest) -> list[tuple[str, Any, Any]]:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0)
        header = handle.readline().decode("utf-8", errors="replace").rstrip("\r\n").split(",")
    return [
        ("file", manifest.file, path.name),
        ("bytes", manifest.bytes, path.stat().st_size),
        ("sha256", manifest.sha256, digest),
        ("columns", manifest.columns, header),
    ]


def _chunks(path: Path) -> Iterator[pl.DataFrame]:
    """The columns that totals are made of, typed, some rows at a time."""
    wanted = ("origin", "answered", "duration_seconds", "billing_seconds", "cost", "cost_currency")
    scan = pl.scan_csv(path, infer_schema=False).select(wanted)
    for batch in scan.collect_batches(chunk_size=_CHUNK_ROWS):
        yield batch.with_columns(
            pl.col("answered") == "true",
            *(pl.col(name).cast(BY_NAME[name].kind.dtype) for name in wanted if BY_NAME[name].kind in _NUMBERS),
        )


def _content_differences(path: Path, manifest: Manifest) -> list[str]:
    """Rows and totals, recomputed from the text."""
    totals, rows = Totals(), 0
    for chunk in _chunks(path):
        totals.add(chunk)
        rows += chunk.height
    found = [("rows", manifest.rows, rows), ("totals", manifest.totals, totals.as_json())]
    return [f"{what}: the manifest says {said}, the file has {real}" for what, said, real in found if said != real]
