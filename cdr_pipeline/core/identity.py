"""Who a record is, and whether it changed: fingerprints and digests, sha256 over columns."""

from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.core.fields import FIELDS, Kind
from cdr_pipeline.core.schemas import EXTRA, LINE, RAW

_SEPARATOR: Final = "\x1f"
_NOTHING: Final = "\x00"
_LENGTH: Final = 32
# How ids begin that are made of a row's text.
FINGERPRINT: Final = "fp-"
# What a record is known by is no part of what is compared: an occurrence may be numbered anew.
_KEY: Final = ("account_id", "origin", "record_id")


def with_correction_ids(rows: pl.DataFrame, corrects: str) -> pl.DataFrame:
    """Fills the record ids that the source did not give for rows that correct an upload's rejected lines.

    They are known by the first upload and their line in it: a line that is corrected twice is the same record.

    Args:
        rows: working schema; ``line`` is that of the first upload.
        corrects: sha256 of the first upload.
    """
    known = pl.concat_str(pl.lit("fx"), pl.lit(corrects[:_LENGTH]), pl.col(LINE).cast(pl.String), separator="-")
    return rows.with_columns(pl.coalesce("record_id", known).alias("record_id"))


def with_record_ids(rows: pl.DataFrame) -> pl.DataFrame:
    """Fills the record ids that the source did not give with fingerprints.

    A fingerprint is ``fp-<sha256 of the row's text, 32 hex>-<occurrence>``: two equal rows in one file may be two
    calls, so the second is occurrence 2. The same file fed again gives the same ids. The occurrence is that within
    these rows; whoever stages a file in several parts numbers it through.

    Args:
        rows: working schema, one row per record, ordered by ``line``.

    Returns:
        The same rows with ``record_id`` never null.
    """
    return (
        rows.with_columns(
            plh.col(RAW).chash.sha2_256().str.head(_LENGTH).alias("__print"),
        )
        .with_columns(pl.col(LINE).cum_count().over("__print").cast(pl.String).alias("__occurrence"))
        .with_columns(
            pl.coalesce(
                pl.col("record_id"),
                pl.concat_str(pl.lit(FINGERPRINT), "__print", pl.lit("-"), "__occurrence"),
            ).alias("record_id")
        )
        .drop("__print", "__occurrence")
    )


def with_digests(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds what tells a changed record from an equal one without comparing every column.

    Args:
        rows: working schema plus ``detail_source`` (text of the detail document, null without one).

    Returns:
        The same rows plus ``list_digest`` (over what every load delivers) and ``row_digest`` (over all, details
        included): 32 hex digits of a sha256 that is the same on any machine and version.
    """
    listed = [field.name for field in FIELDS if not field.detail_only and field.name not in _KEY]
    detailed = [field.name for field in FIELDS if field.detail_only]
    return (
        rows.with_columns(
            _text_of(listed).alias("__list"),
            _text_of(detailed).alias("__detail"),
        )
        .with_columns(
            pl.concat_str("__list", pl.col(EXTRA).fill_null(_NOTHING), separator=_SEPARATOR).alias("__list"),
        )
        .with_columns(
            pl.concat_str(
                "__list", "__detail", pl.col("detail_source").fill_null(_NOTHING), separator=_SEPARATOR
            ).alias("__detail"),
        )
        .with_columns(
            plh.col("__list").chash.sha2_256().str.head(_LENGTH).alias("list_digest"),
            plh.col("__detail").chash.sha2_256().str.head(_LENGTH).alias("row_digest"),
        )
        .drop("__list", "__detail")
    )


def _text_of(columns: list[str]) -> pl.Expr:
    """One canonical text per row; instants as microseconds so that no locale or version can format them anew."""
    kinds = {field.name: field.kind for field in FIELDS}
    return pl.concat_str(
        [
            (pl.col(name).dt.epoch("us") if kinds[name] is Kind.INSTANT else pl.col(name))
            .cast(pl.String)
            .fill_null(_NOTHING)
            for name in columns
        ],
        separator=_SEPARATOR,
    )
