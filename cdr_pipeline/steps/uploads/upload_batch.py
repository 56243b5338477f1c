"""Loads the blocks of a file into a batch: normalises, validates and stages them, and counts every line."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import polars as pl

from cdr_pipeline.core.fields.schemas import DAY, DETAIL, LINE, RAW
from cdr_pipeline.core.normalize.imported import charges, normalize_imported
from cdr_pipeline.core.normalize.segments import join_segments
from cdr_pipeline.core.records.identity import source_of, with_record_ids
from cdr_pipeline.core.records.reasons import Filtered, Reject
from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.core.uploads.control_totals import ControlTotals
from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import TooManyLines
from cdr_pipeline.sources.uploads.records import RawRecords
from cdr_pipeline.sources.uploads.reject_reasons import RejectReasons
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.earlier_rows import EarlierRows
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.loading import BatchLoad

# Allowance for clocks of other systems that run ahead. A call that starts later than this is rejected.
_LEAD: Final = timedelta(days=1)
# Rows that a preview shows as they would be merged.
ROWS_SHOWN: Final = 5
LINE_CLASSES: Final = {
    LINE: pl.Int64(),
    "class": pl.String(),
    "reason": pl.String(),
    "field": pl.String(),
    DETAIL: pl.String(),
}


@dataclass(slots=True)
class UploadBatch:
    """The part of a file that has been read.

    Attributes:
        account: account that owns the records.
        profile: import profile of the file.
        load: batch in which its rows are staged.
        ctx: settings, warehouse, clock and progress callback.
        corrects: for a corrected reject file, id of the upload whose rejected lines it contains.
        keep_lines: whether to keep the class of every line and the first rows, which uses memory.
        read: number of lines read so far.
        reasons, filtered: rejected lines by reason, and lines that are not records by kind.
        lines: ``line, class, reason, field, detail`` of each block; class is staged, rejected or filtered.
        totals: totals of the lines, compared with the control totals of the file.
        details: rejected lines by reason and field, with the first line and the shape of its value.
        first_rows: first accepted rows as they would be merged, with ``line`` and ``raw``.
    """

    account: Account
    profile: Profile
    load: BatchLoad
    ctx: RunContext
    corrects: str | None = None
    keep_lines: bool = False
    read: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    filtered: Counter[Filtered] = field(default_factory=Counter[Filtered])
    lines: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])
    totals: ControlTotals = field(default_factory=ControlTotals)
    details: RejectReasons = field(default_factory=RejectReasons)
    first_rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def add_all(self, blocks: Iterable[RawRecords]) -> None:
        """Stages all blocks of a file.

        Raises:
            ControlTotalsDiffer: the control totals of the file differ from its content.
            TooManyLines: the file has more lines than the context allows.
        """
        for records in blocks:
            self.add(records)
        if self.profile.control.line:
            self.totals.require_equal()

    def add(self, records: RawRecords) -> None:
        """Stages one block. Raises TooManyLines."""
        self._require_few_lines(records)
        earlier = EarlierRows(self.load, self.profile, self.ctx) if self.corrects is None else None
        joined = join_segments(records.frame, self.profile, earlier and earlier.rows)
        if earlier is not None:
            earlier.close(joined.completed)
        normalized = normalize_imported(
            joined.rows,
            self.profile,
            account_id=self.account.account_id,
            account_time_zone=self.account.time_zone,
            account_country_code=self.account.country_code,
            earlier_zones=self.account.earlier_zones,
        )
        identified = with_record_ids(
            normalized.rows,
            source_of(self.profile.name),
            corrects=self.corrects,
            context=self.profile.name_values,
        )
        accepted = validate(identified, latest=self.ctx.clock() + _LEAD)
        rejects = pl.concat([records.rejects, joined.rejects, normalized.rejects, accepted.rejects])
        self.load.reject(rejects, self._charges(rejects, [records.frame, joined.rows]))
        removed = self.load.stage(accepted.rows)
        self.read += records.read
        self.reasons.update(rejects["reason"])
        self.filtered.update(records.filtered)
        self.filtered[Filtered.SEGMENT] += len(joined.joined)
        if self.profile.control.line:
            rows = records.frame.height + records.rejects.height
            self.totals.decimal_mark = self.profile.decimal_mark
            self.totals.add(accepted.rows, rows=rows, rejected=rejects.height, stated=records.stated)
        rejects = pl.concat([rejects, removed])
        self.reasons.update(removed["reason"])
        self.details.add(rejects, joined.rows, self.profile)
        if self.keep_lines:
            self.first_rows += accepted.rows.head(ROWS_SHOWN - len(self.first_rows)).to_dicts()
            segments = pl.DataFrame({LINE: joined.joined, "kind": Filtered.SEGMENT.value})
            self.lines += [
                _classified(accepted.rows.filter(~pl.col(LINE).is_in(removed[LINE].implode())), "staged"),
                _classified(rejects, "rejected", pl.col("reason"), pl.col("field"), pl.col(DETAIL)),
                _classified(pl.concat([records.aside, segments]), "filtered", pl.col("kind")),
            ]
        self.ctx.progress(f"{self.read:,} lines")

    def _require_few_lines(self, records: RawRecords) -> None:
        most = self.ctx.most_upload_lines
        if most is not None and self.read + records.read > most:
            raise TooManyLines(
                f"line {most + 1}: a file that is uploaded may have at most {most} lines",
                hint="send it in parts, or have it imported with 'cdr-pipeline import', which has no such limit",
            )

    def settle(self, blocks: Callable[[], Iterable[RawRecords]]) -> None:
        """Rejects rows that a later row of the file contradicts. Call it after all blocks are staged.

        Args:
            blocks: function that reads the file again, for the text of these rows.
        """
        lines = self.load.settle()[LINE]
        if lines.is_empty():
            return
        frames = [records.frame.filter(pl.col(LINE).is_in(lines.implode())) for records in blocks()]
        rejects = pl.concat(
            frame.select(
                LINE,
                pl.lit("record_id").alias("field"),
                pl.lit(Reject.CONFLICTING_ROW.value).alias("reason"),
                RAW,
                pl.lit(None, pl.String).alias(DETAIL),
                pl.lit(None, pl.Date).alias(DAY),
            )
            for frame in frames
        )
        self.load.reject(rejects, self._charges(rejects, frames))
        self.reasons.update(rejects["reason"])
        self.details.add(rejects, frames[0], self.profile)
        if self.keep_lines:
            others = [frame.filter(~pl.col(LINE).is_in(lines.implode())) for frame in self.lines]
            self.lines = [*others, _classified(rejects, "rejected", pl.col("reason"), pl.col("field"), pl.col(DETAIL))]

    def _charges(self, rejects: pl.DataFrame, frames: Iterable[pl.DataFrame]) -> pl.DataFrame | None:
        """What rejected lines charge; of a line in several frames, what the last one says."""
        if rejects.is_empty():
            return None
        lines = rejects.select(LINE).unique()
        parts = [charges(frame.join(lines, on=LINE, how="semi"), self.profile) for frame in frames]
        return pl.concat(parts).unique(LINE, keep="last", maintain_order=True)

    @property
    def reject_reasons(self) -> dict[str, int]:
        """Rejected lines by reason, ordered by reason code."""
        return dict(sorted(self.reasons.items()))

    @property
    def filtered_reasons(self) -> dict[str, int]:
        """Lines that are not records, by kind."""
        return {kind.value: count for kind, count in self.filtered.items() if count}


def _classified(
    lines: pl.DataFrame,
    name: str,
    reason: pl.Expr | None = None,
    field_name: pl.Expr | None = None,
    detail: pl.Expr | None = None,
) -> pl.DataFrame:
    nothing = pl.lit(None, pl.String)
    return lines.select(
        LINE,
        pl.lit(name).alias("class"),
        (nothing if reason is None else reason).alias("reason"),
        (nothing if field_name is None else field_name).alias("field"),
        (nothing if detail is None else detail).alias(DETAIL),
    )


def in_zone(profile: Profile, time_zone: str | None) -> Profile:
    """The profile with another time zone; unchanged when ``time_zone`` is None."""
    return profile if time_zone is None else replace(profile, time_zone=time_zone)
