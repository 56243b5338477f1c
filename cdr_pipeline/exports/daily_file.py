"""Writes the daily file of one account, then its manifest; leaves both alone when nothing would change."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline import __version__
from cdr_pipeline.core.business_day import day_bounds
from cdr_pipeline.core.fields import names
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.atomic import Writing, beside, remove, sole_writer
from cdr_pipeline.exports.exact_csv import DIALECT, encode, header
from cdr_pipeline.exports.manifest import (
    SCHEMA,
    Manifest,
    encode_manifest,
    file_name,
    manifest_path,
    read_manifest,
    utc_text,
)
from cdr_pipeline.exports.totals import Totals

_ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ORDER: Final = ("started_at", "origin", "record_id")


@dataclass(frozen=True, slots=True)
class DailyFile:
    """Which file to write, and what its manifest says beyond its rows.

    Attributes:
        account_id, business_date, version: make the name.
        time_zone: the account's; gives the day its bounds.
        watermark_utc: save time up to which the day was collected, None while it is incomplete.
        rejected_rows: of the day's windows.
        run_id: the run that writes it.
        created_utc: now.
    """

    account_id: str
    business_date: date
    version: int
    time_zone: str
    watermark_utc: datetime | None
    rejected_rows: int
    run_id: str | None
    created_utc: datetime

    def path(self, export_dir: Path) -> Path:
        """``{account_id}/{yyyy}/{mm}/cdrs_{account_id}_{date}_v{n}.csv``.

        Raises:
            ExportError: the account id could leave its folder.
        """
        if not _ACCOUNT_ID.fullmatch(self.account_id):
            raise ExportError("an account id is 1 to 64 letters, digits, '-' or '_'")
        folder = export_dir / self.account_id / f"{self.business_date:%Y}" / f"{self.business_date:%m}"
        return folder / file_name(self.account_id, self.business_date.isoformat(), self.version)


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A daily file on disk; ``changed`` when this call wrote a byte of it or of its manifest."""

    path: Path
    sha256: str
    size: int
    rows: int
    changed: bool


def write_daily_file(chunks: Iterable[pl.DataFrame], *, day: DailyFile, export_dir: Path) -> WrittenFile:
    """Writes the file and its manifest; an empty day is a header and a manifest.

    At no moment does a manifest describe another file than the one beside it: a changed file's old manifest goes
    first, the new one comes last, and a second writer waits until the first is done. Memory is that of one chunk.

    Args:
        chunks: records of the day in the order ``started_at, origin, record_id``, the columns of the file.
        day: which.
        export_dir: root of all exports.

    Raises:
        ExportError: it cannot be written, or the records are out of order.
    """
    path = day.path(export_dir)
    totals, rows = Totals(), 0
    with sole_writer(path.parent), beside(path) as writing:
        writing.write(header())
        last: tuple[object, ...] | None = None
        for chunk in chunks:
            content = encode(chunk)
            last = _require_order(chunk, last)
            writing.write(content)
            totals.add(chunk)
            rows += chunk.height
        manifest = _manifest(path, writing, rows, totals, day)
        if _on_disk(path, manifest):
            return WrittenFile(path, manifest.sha256, manifest.bytes, rows, changed=False)
        remove(manifest_path(path))
        writing.place()
        with beside(manifest_path(path)) as note:
            note.write(encode_manifest(manifest))
            note.place()
    return WrittenFile(path, manifest.sha256, manifest.bytes, rows, changed=True)


def _require_order(chunk: pl.DataFrame, last: tuple[object, ...] | None) -> tuple[object, ...] | None:
    """The last key of the chunk; keys only grow, within it and from the chunk before."""
    if chunk.is_empty():
        return last
    keys = chunk.select(_ORDER)
    if not keys.equals(keys.sort(_ORDER)) or (last is not None and keys.row(0) < last):
        raise ExportError("records of a daily file are out of order; nothing was written")
    return keys.row(-1)


def _manifest(path: Path, writing: Writing, rows: int, totals: Totals, day: DailyFile) -> Manifest:
    first, end = day_bounds(day.business_date, day.time_zone)
    return Manifest(
        manifest_schema=SCHEMA,
        file=path.name,
        sha256=writing.sha256,
        bytes=writing.size,
        rows=rows,
        columns=list(names(exported_only=True)),
        dialect=DIALECT,
        account_id=day.account_id,
        business_date=day.business_date.isoformat(),
        time_zone=day.time_zone,
        window_start_utc=utc_text(first),
        window_end_utc=utc_text(end),
        watermark_utc=utc_text(day.watermark_utc) if day.watermark_utc else None,
        version=day.version,
        state="open",
        supersedes=None,
        totals=totals.as_json(),
        rejected_rows=day.rejected_rows,
        late_rows=0,
        producer={"name": "cdr_pipeline", "version": __version__, "run_id": day.run_id},
        created_utc=utc_text(day.created_utc),
    )


def _on_disk(path: Path, manifest: Manifest) -> bool:
    """Whether the same file with a manifest that says the same is there already, to the byte."""
    try:
        if not manifest.says_the_same_as(read_manifest(manifest_path(path))):
            return False
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest() == manifest.sha256
    except (OSError, ExportError):
        return False
