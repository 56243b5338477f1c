"""The adjustment file of a restated day: the differences between a version and the previous one, row by row.

Each row is a row of a daily file with three columns in front. ``change`` is added, changed or withdrawn. ``side`` is
after for rows of this version and before for rows of the superseded one; a changed row occurs twice. ``reason`` is a
key of ``REASONS``. Totals of the new version = totals of the old one + totals of after - totals of before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.exports.atomic import AtomicFile
from cdr_pipeline.exports.content import Content
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, manifest_of, write_file
from cdr_pipeline.exports.dialects.registry import ADJUSTMENT, dialect_named
from cdr_pipeline.exports.exact_csv import header, lines, scan_cells
from cdr_pipeline.exports.manifest import Manifest
from cdr_pipeline.exports.totals import FileTotals, with_typed_values
from cdr_pipeline.files.store import as_local_file

COLUMNS: Final = ("change", "side", "reason")
REASONS: Final = {
    "late": "the record arrived after the day was sealed",
    "corrected": "the record was delivered again with other values",
    "linked": "the record is the same leg as another one and is now part of its row, or no longer is",
    "gone": "the record now belongs to another day, or was withdrawn",
}
_KEY: Final = ("record_id", "imported")


@dataclass(frozen=True, slots=True)
class DayDifferences:
    """Rows of either version that the other does not have unchanged, with ``COLUMNS`` in front; in file order."""

    before: pl.DataFrame
    after: pl.DataFrame

    @property
    def late_rows(self) -> int:
        """Number of records added, changed or withdrawn."""
        changed = self.before.filter(pl.col("change") == "changed").height
        return self.before.height + self.after.height - changed

    def in_order(self) -> pl.DataFrame:
        """All rows: added, changed (before, then after), withdrawn; each by start."""
        rank = {"added": 0, "changed": 1, "withdrawn": 2}
        return pl.concat([self.before, self.after]).sort(
            pl.col("change").replace_strict(rank),
            pl.col("started_at").str.strip_suffix("Z"),
            pl.col("record_id"),
            pl.col("side").replace_strict({"before": 0, "after": 1}),
            maintain_order=True,
        )


def differences(before: Path, after: Path) -> DayDifferences:
    """Differences between the rows of two exact files of a day. Columns that only the later one has are ignored.

    Memory grows with the number of rows (their keys and hashes), not with their width.
    """
    with as_local_file(before) as old_file, as_local_file(after) as new_file:
        return _differences(scan_cells(old_file), scan_cells(new_file))


def _differences(old: pl.LazyFrame, new: pl.LazyFrame) -> DayDifferences:
    shared = old.collect_schema().names()
    columns = new.collect_schema().names()
    new_digests, old_digests = _digests(new, shared), _digests(old, shared)
    pairs = new_digests.join(old_digests, on=_KEY, how="full", suffix="_old", coalesce=True)
    changed_rows = pairs.filter(pl.col("digest").ne_missing(pl.col("digest_old"))).with_columns(
        change=pl.when(pl.col("digest_old").is_null())
        .then(pl.lit("added"))
        .when(pl.col("digest").is_null())
        .then(pl.lit("withdrawn"))
        .otherwise(pl.lit("changed"))
    )
    # A linked imported record disappears into the row of the other record; it reappears when the link is removed.
    relinked = pl.col("links") != pl.col("links_old")
    some_relinked = bool(changed_rows.select(relinked.fill_null(value=False).any()).item())
    changed = pl.col("change") == "changed"
    reasons = changed_rows.select(
        *_KEY,
        "change",
        pl.when(changed)
        .then(pl.when(relinked).then(pl.lit("linked")).otherwise(pl.lit("corrected")))
        .when(pl.col("imported") & some_relinked)
        .then(pl.lit("linked"))
        .when(pl.col("change") == "withdrawn")
        .then(pl.lit("gone"))
        .otherwise(pl.lit("late"))
        .alias("reason"),
    )
    return DayDifferences(
        _rows(old, reasons, "before", columns),
        _rows(new, reasons, "after", columns),
    )


def write_adjustment(
    changes: DayDifferences, *, exact: WrittenFile, day: DailyFile, export_dir: Path, announce: bool = True
) -> WrittenFile:
    """Writes the adjustment file into the folder of the new version.

    Args:
        changes: differences between the two versions.
        exact: exact file of the new version.
        day: day and version; ``supersedes`` is the sha256 of the exact file of the previous version.
        export_dir: root folder of all exports.
        announce: whether to write the manifest too.

    Raises:
        ExportError: the file cannot be written.
    """
    rows = changes.in_order()
    columns = [*COLUMNS, *exact.manifest.columns]

    def produce(writing: AtomicFile) -> Manifest:
        content = Content(writing, day.compression)
        content.write(header(columns))
        content.write(lines(rows.select(columns)))
        manifest = manifest_of(day, ADJUSTMENT, writing, content.finish())
        return replace(
            manifest, rows=rows.height, columns=columns, totals=adjustment_totals([rows]), late_rows=changes.late_rows,
            reasons=reasons_of(rows),
        )  # fmt: skip

    return write_file(day.path(export_dir, ADJUSTMENT), produce, day=day, announce=announce)


def adjustment_totals(rows: Iterable[pl.DataFrame]) -> dict[str, object]:
    """Totals of an adjustment's rows by change and side."""
    totals = FileTotals(by=dialect_named(ADJUSTMENT).totals_by)
    for frame in rows:
        totals.add(with_typed_values(frame))
    return totals.as_json()


def reasons_of(rows: pl.DataFrame) -> dict[str, int]:
    """Number of changed records by reason; a changed record has two rows and counts once."""
    records = rows.filter((pl.col("change") != "changed") | (pl.col("side") == "after"))
    return dict(records.group_by("reason").len().sort("reason").iter_rows())


def _digests(cells: pl.LazyFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Key, link and hash of each row."""
    joined = plh.concat_str(*(pl.col(name).fill_null("") for name in columns), separator="\x1f")
    return cells.select(
        "record_id",
        (pl.col("origin") == "imported").alias("imported"),
        (pl.col("origin") == "api+imported").alias("links"),
        joined.chash.sha2_256().alias("digest"),
    ).collect(engine="streaming")


def _rows(cells: pl.LazyFrame, reasons: pl.DataFrame, side: str, columns: Sequence[str]) -> pl.DataFrame:
    side_reasons = reasons.filter(pl.col("change") != ("added" if side == "before" else "withdrawn"))
    present = set(cells.collect_schema().names())
    return (
        cells.with_columns(
            (pl.col("origin") == "imported").alias("imported"),
            pl.lit(side).alias("side"),
            *(pl.lit(None, pl.String).alias(name) for name in columns if name not in present),
        )
        .join(side_reasons.lazy(), on=_KEY, how="inner", maintain_order="left")
        .select(*COLUMNS, *columns)
        .collect(engine="streaming")
    )
