"""Who a record is, and whether it changed: fingerprints and digests, sha256 over columns."""

from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.core.fields.dictionary import FIELDS, Kind
from cdr_pipeline.core.fields.schemas import EXTRA, FINGERPRINT, LINE, RAW

_SEPARATOR: Final = "\x1f"
_NOTHING: Final = "\x00"
_LENGTH: Final = 32
# How the identity of an imported record is marked in its record id, after its source.
_NATIVE: Final = "id"
_BY_TEXT: Final = "fp"
_CORRECTED: Final = "fx"
# What a record is known by is no part of what is compared: an occurrence may be numbered anew.
_KEY: Final = ("account_id", "origin", "record_id")


def source_of(profile: str) -> str:
    """The source of a profile's records, as their ids name it: the profile's name, without a colon.

    A profile states one carrier, so its name stands for both. The carrier itself is no part of it: a profile whose
    carrier is corrected still reads the same records.
    """
    return profile.replace("~", "~7e").replace(":", "~3a")


def with_record_ids(rows: pl.DataFrame, source: str, *, corrects: str | None = None) -> pl.DataFrame:
    """Gives imported records the ids by which the warehouse knows them: ``source:kind:id``.

    The kind is ``id`` for the source's own id, ``fp`` for a fingerprint of the row's text with its occurrence (see
    ``with_fingerprints``), and ``fx`` for a corrected line without an id of its own: that of the first upload and the
    line in it, so a line that is corrected twice is the same record. No source holds a colon, so ids of two sources
    or of two kinds are never equal, whatever a file says.

    Args:
        rows: working schema, one row per record, ordered by ``line``; ``record_id`` is the source's own id or null.
        source: of the records, see ``source_of``.
        corrects: sha256 of the first upload when the rows correct its rejected lines; ``line`` is then that of the
            first upload.

    Returns:
        The same rows with ``record_id`` never null, and ``fingerprint`` where the source gave an id.
    """
    if corrects is None:
        kind, made = _BY_TEXT, _fingerprint()
    else:
        kind = _CORRECTED
        made = pl.concat_str(pl.lit(corrects[:_LENGTH]), pl.col(LINE).cast(pl.String), separator="-")
    return rows.with_columns(
        pl.coalesce(
            pl.lit(f"{source}:{_NATIVE}:") + pl.col("record_id"),
            pl.lit(f"{source}:{kind}:") + made,
        ).alias("record_id"),
        pl.when(pl.col("record_id").is_not_null()).then(_text_digest()).alias(FINGERPRINT),
    )


def with_fingerprints(rows: pl.DataFrame) -> pl.DataFrame:
    """Fills the record ids that a file did not give with fingerprints, where the file is compared and not loaded.

    A fingerprint is ``<sha256 of the row's text, 32 hex>-<occurrence>``: two equal rows in one file may be two
    calls, so the second is occurrence 2. The same file fed again gives the same ids. The occurrence is that within
    these rows; a stage that takes a file in several parts numbers it through.

    Args:
        rows: working schema, one row per record, ordered by ``line``.
    """
    return rows.with_columns(pl.coalesce(pl.col("record_id"), _fingerprint()).alias("record_id"))


def _fingerprint() -> pl.Expr:
    return pl.concat_str(_text_digest(), pl.col(LINE).cum_count().over(RAW).cast(pl.String), separator="-")


def _text_digest() -> pl.Expr:
    return plh.col(RAW).chash.sha2_256().str.head(_LENGTH)


def known_by_text(record_id: pl.Expr) -> pl.Expr:
    """Whether ids of imported records are fingerprints."""
    return record_id.str.contains(f"^[^:]*:{_BY_TEXT}:")


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
