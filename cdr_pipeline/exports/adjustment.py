"""The adjustment file of a restated day: what a version changed against the one before, row by row.

Each row is that of a daily file with three columns in front. ``change`` is added, changed or withdrawn; ``side`` is
after for rows of this version and before for rows of the superseded one, so that a changed row stands twice; ``reason``
says why. Totals of the new version = totals of the old one + all that is after - all that is before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.exports.atomic import Writing
from cdr_pipeline.exports.daily_file import Content, DailyFile, WrittenFile, manifest_of, write_file
from cdr_pipeline.exports.dialects import ExportDialect
from cdr_pipeline.exports.exact_csv import header, lines
from cdr_pipeline.exports.manifest import Manifest
from cdr_pipeline.exports.reading_back import scan_cells
from cdr_pipeline.exports.totals import FileTotals, counted

COLUMNS: Final = ("change", "side", "reason")
REASONS: Final = {
    "late": "the record came after the day was sealed",
    "corrected": "the record was delivered again with other values",
    "linked": "the record is the same leg as another one and stands in that row now, or no longer does",
    "gone": "the record belongs to another day now, or was withdrawn",
}
_KEY: Final = ("record_id", "imported")


@dataclass(frozen=True, slots=True)
class DayDifferences:
    """Rows of either version that are not in the other as they are, with ``COLUMNS`` in front; in the files' order."""

    before: pl.DataFrame
    after: pl.DataFrame

    @property
    def late_rows(self) -> int:
        """Records added, changed or withdrawn."""
        changed = self.before.filter(pl.col("change") == "changed").height
        return self.before.height + self.after.height - changed

    def in_order(self) -> pl.DataFrame:
        """All of them: added, changed (before, then after), withdrawn; by start within."""
        rank = {"added": 0, "changed": 1, "withdrawn": 2}
        return pl.concat([self.before, self.after]).sort(
            pl.col("change").replace_strict(rank),
            pl.col("started_at").str.strip_suffix("Z"),
            pl.col("record_id"),
            pl.col("side").replace_strict({"before": 0, "after": 1}),
            maintain_order=True,
        )


def differences(before: Path, after: Path) -> DayDifferences:
    """What the rows of two exact files of a day differ in. Columns that only the later one has are no difference.

    Memory grows with the number of rows (their keys and hashes), not with their width.
    """
    old, new = scan_cells(before), scan_cells(after)
    shared = old.collect_schema().names()
    columns = new.collect_schema().names()
    mine, theirs = _digests(new, shared), _digests(old, shared)
    pairs = mine.join(theirs, on=_KEY, how="full", suffix="_old", coalesce=True)
    other = pairs.filter(pl.col("digest").ne_missing(pl.col("digest_old"))).with_columns(
        change=pl.when(pl.col("digest_old").is_null())
        .then(pl.lit("added"))
        .when(pl.col("digest").is_null())
        .then(pl.lit("withdrawn"))
        .otherwise(pl.lit("changed"))
    )
    # An imported record leaves when another row takes it in, or comes back when that row lets it go.
    relinked = pl.col("links") != pl.col("links_old")
    some_relinked = bool(other.select(relinked.fill_null(value=False).any()).item())
    changed = pl.col("change") == "changed"
    reasons = other.select(
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
    found: DayDifferences, *, exact: WrittenFile, day: DailyFile, export_dir: Path, announce: bool = True
) -> WrittenFile:
    """Writes the adjustment file beside the new version.

    Args:
        found: what changed.
        exact: the new version's exact file.
        day: as it was written for; ``supersedes`` names the exact file of the version before.
        export_dir: root of all exports.
        announce: whether the manifest is written too.

    Raises:
        ExportError: it cannot be written.
    """
    rows = found.in_order()
    columns = [*COLUMNS, *exact.manifest.columns]

    def produce(writing: Writing) -> Manifest:
        content = Content(writing, day.compression)
        content.write(header(columns))
        content.write(lines(rows.select(columns)))
        made = manifest_of(day, ExportDialect.ADJUSTMENT, writing, content.finish())
        return replace(
            made, rows=rows.height, columns=columns, totals=adjustment_totals([rows]), late_rows=found.late_rows,
            reasons=reasons_of(rows),
        )  # fmt: skip

    return write_file(day.path(export_dir, ExportDialect.ADJUSTMENT), produce, day=day, announce=announce)


def adjustment_totals(rows: Iterable[pl.DataFrame]) -> dict[str, object]:
    """Totals of an adjustment's rows by change and side."""
    totals = FileTotals(by=("change", "side"))
    for frame in rows:
        totals.add(counted(frame))
    return totals.as_json()


def reasons_of(rows: pl.DataFrame) -> dict[str, int]:
    """How many records changed for which reason; a changed record, which stands twice, counts once."""
    once = rows.filter((pl.col("change") != "changed") | (pl.col("side") == "after"))
    return dict(once.group_by("reason").len().sort("reason").iter_rows())


def _digests(cells: pl.LazyFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Key, links and a hash of the whole row, of each row."""
    joined = plh.concat_str(*(pl.col(name).fill_null("") for name in columns), separator="\x1f")
    return cells.select(
        "record_id",
        (pl.col("origin") == "imported").alias("imported"),
        (pl.col("origin") == "api+imported").alias("links"),
        joined.chash.sha2_256().alias("digest"),
    ).collect(engine="streaming")


def _rows(cells: pl.LazyFrame, reasons: pl.DataFrame, side: str, columns: Sequence[str]) -> pl.DataFrame:
    wanted = reasons.filter(pl.col("change") != ("added" if side == "before" else "withdrawn"))
    present = set(cells.collect_schema().names())
    return (
        cells.with_columns(
            (pl.col("origin") == "imported").alias("imported"),
            pl.lit(side).alias("side"),
            *(pl.lit(None, pl.String).alias(name) for name in columns if name not in present),
        )
        .join(wanted.lazy(), on=_KEY, how="inner", maintain_order="left")
        .select(*COLUMNS, *columns)
        .collect(engine="streaming")
    )
