"""The merge rules in Polars. Tests compare the SQL under ``sql/records`` with this module."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import FIELDS
from cdr_pipeline.core.fields.schemas import LINE

KEY: Final = ("account_id", "origin", "record_id")
# What two rows of one call must agree in, or the file contradicts itself.
STATED: Final = (
    "started_at", "answered_at", "ended_at", "duration_seconds", "billing_seconds", "answered", "hangup_cause",
    "disposition", "cost", "cost_currency", "rate",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MergeResult:
    """Outcome of a merge.

    Attributes:
        records: all records after the merge, one row per key.
        replaced: previous versions of the updated records.
        inserted: number of new records.
        updated: number of changed records.
        unchanged: number of staged records that equal present ones.
        duplicate: number of staged rows dropped because another row of the stage has the same key.
    """

    records: pl.DataFrame
    replaced: pl.DataFrame
    inserted: int
    updated: int
    unchanged: int
    duplicate: int


def contradicted_lines(staged: pl.DataFrame) -> list[int]:
    """Lines of a file that a later line with the same id contradicts in what is charged or how the call ended.

    Args:
        staged: canonical columns plus ``list_digest`` and ``line``; the rows of one file.
    """
    stated = pl.struct(STATED).alias("stated")
    last = staged.sort(LINE).unique(KEY, keep="last", maintain_order=True).select(*KEY, LINE, "list_digest", stated)
    pairs = staged.select(*KEY, LINE, "list_digest", stated).join(last, on=KEY, suffix="_last")
    contradicts = (
        (pl.col(LINE) != pl.col(f"{LINE}_last"))
        & (pl.col("list_digest") != pl.col("list_digest_last"))
        & pl.col("stated").ne_missing(pl.col("stated_last"))
    )
    return pairs.filter(contradicts).sort(LINE)[LINE].to_list()


def deduplicate(staged: pl.DataFrame) -> pl.DataFrame:
    """Keeps one row for each record.

    Among rows of the switch, the row that ends last is kept, then the row with the greatest digest, then a row with a
    document, so that the order of pages does not matter. Among rows of a file, the last line is kept, because a later
    line is a correction.
    """
    from_switch = pl.col("origin") == "api"
    return (
        staged.sort(
            pl.when(from_switch).then(pl.col("ended_at")),
            pl.when(from_switch).then(pl.col("row_digest")),
            pl.when(from_switch).then(pl.col("has_detail")),
            LINE,
            nulls_last=False,
        )
        .unique(KEY, keep="last", maintain_order=True)
        .sort(LINE)
    )


def merge(present: pl.DataFrame, staged: pl.DataFrame) -> MergeResult:
    """Merges staged records into present ones.

    A record is changed when its list digest differs, or when it has a detail document and its row digest differs.
    Without a new document, the columns that only documents fill keep the values of the earlier document.

    Args:
        present: canonical columns plus ``has_detail``, ``list_digest``, ``row_digest``; one row per key.
        staged: the same plus ``line``; keys may repeat.
    """
    unique = deduplicate(staged)
    columns = present.columns
    both = unique.join(present, on=KEY, how="inner", suffix="__present", maintain_order="left")
    differs = (pl.col("list_digest") != pl.col("list_digest__present")) | (
        pl.col("has_detail") & (pl.col("row_digest") != pl.col("row_digest__present"))
    )
    changed = both.filter(differs)
    keeps_document = ~pl.col("has_detail") & pl.col("has_detail__present")
    updated = changed.with_columns(
        *(
            pl.when(keeps_document)
            .then(pl.col(f"{field.name}__present"))
            .otherwise(pl.col(field.name))
            .alias(field.name)
            for field in FIELDS
            if field.detail_only
        ),
        (pl.col("has_detail") | pl.col("has_detail__present")).alias("has_detail"),
    ).select(columns)
    inserted = unique.join(present, on=KEY, how="anti").select(columns)
    records = pl.concat([present.join(changed, on=KEY, how="anti"), updated, inserted]).sort(KEY)
    return MergeResult(
        records=records,
        replaced=present.join(changed, on=KEY, how="semi"),
        inserted=inserted.height,
        updated=changed.height,
        unchanged=both.height - changed.height,
        duplicate=staged.height - unique.height,
    )
