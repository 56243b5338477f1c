"""What a merge means, without a database: the reference that the SQL under ``sql/records`` is tested against."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import FIELDS
from cdr_pipeline.core.fields.schemas import LINE

KEY: Final = ("account_id", "origin", "record_id")


@dataclass(frozen=True, slots=True)
class Merged:
    """Outcome of a merge.

    Attributes:
        records: the state afterwards, one row per key.
        replaced: the previous version of what changed.
        inserted: number of new records.
        updated: number of changed ones.
        unchanged: number of staged records that were equal to present ones.
        duplicate: number of staged rows dropped because their record stands in the stage already.
    """

    records: pl.DataFrame
    replaced: pl.DataFrame
    inserted: int
    updated: int
    unchanged: int
    duplicate: int


def deduplicated(staged: pl.DataFrame) -> pl.DataFrame:
    """One row per record.

    Of the switch's rows the one that ends last stays, then the greatest digest, then one with a document, so that the
    order of pages does not matter; of a file's rows the last line stays, because a later line corrects.
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


def merge(present: pl.DataFrame, staged: pl.DataFrame) -> Merged:
    """Merges staged records into present ones.

    A record is changed when its list digest differs, or when it comes with a detail document and its row digest
    differs. Without a new document, the columns that only documents fill keep what an earlier document brought.

    Args:
        present: canonical columns plus ``has_detail``, ``list_digest``, ``row_digest``; one row per key.
        staged: the same plus ``line``; keys may repeat.
    """
    unique = deduplicated(staged)
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
    return Merged(
        records=records,
        replaced=present.join(changed, on=KEY, how="semi"),
        inserted=inserted.height,
        updated=changed.height,
        unchanged=both.height - changed.height,
        duplicate=staged.height - unique.height,
    )
