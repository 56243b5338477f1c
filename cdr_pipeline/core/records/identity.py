"""Record ids of imported records, and digests that detect changed records: sha256 over columns."""

from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.core.fields.dictionary import FIELDS, Kind
from cdr_pipeline.core.fields.schemas import EXTRA, FINGERPRINT, LINE, RAW

_SEPARATOR: Final = "\x1f"
_NULL: Final = "\x00"
_LENGTH: Final = 32
# Kinds of record ids of imported records: the second part of the id, after the source.
_NATIVE: Final = "id"
_FINGERPRINT: Final = "fp"
_CORRECTED: Final = "fx"
# Digests leave the key out, because the occurrence number in a record id may change.
_KEY: Final = ("account_id", "origin", "record_id")


def source_of(profile: str) -> str:
    """The source in the ids of a profile's records: the profile's name, with colons escaped.

    A profile has one carrier, so its name identifies both. The carrier itself is not part of the source: a profile
    whose carrier is corrected still reads the same records.
    """
    return profile.replace("~", "~7e").replace(":", "~3a")


def with_record_ids(rows: pl.DataFrame, source: str, *, corrects: str | None = None) -> pl.DataFrame:
    """Sets the warehouse's record ids of imported records: ``source:kind:id``.

    The kind is ``id`` for the source's own id, and ``fp`` for a fingerprint of the row's text with its occurrence (see
    ``with_fingerprints``). It is ``fx`` for a corrected line without an id of its own; the id then names the first
    upload and the line in it, so a line that is corrected twice remains the same record. A source contains no colon,
    so ids of two sources or of two kinds are never equal for any file.

    Args:
        rows: working schema, one row per record, ordered by ``line``; ``record_id`` is the source's own id or null.
        source: source of the records, see ``source_of``.
        corrects: sha256 of the first upload when the rows correct its rejected lines; ``line`` is then the line in the
            first upload. None otherwise.

    Returns:
        The same rows with ``record_id`` never null, and ``fingerprint`` where the source delivers an id.
    """
    if corrects is None:
        kind, generated = _FINGERPRINT, _fingerprint()
    else:
        kind = _CORRECTED
        generated = pl.concat_str(pl.lit(corrects[:_LENGTH]), pl.col(LINE).cast(pl.String), separator="-")
    return rows.with_columns(
        pl.coalesce(
            pl.lit(f"{source}:{_NATIVE}:") + pl.col("record_id"),
            pl.lit(f"{source}:{kind}:") + generated,
        ).alias("record_id"),
        pl.when(pl.col("record_id").is_not_null()).then(_text_digest()).alias(FINGERPRINT),
    )


def with_fingerprints(rows: pl.DataFrame) -> pl.DataFrame:
    """Fills missing record ids with fingerprints, for files that are compared but not loaded.

    A fingerprint is ``<sha256 of the row's text, 32 hex>-<occurrence>``: two equal rows in one file may be two
    calls, so the second is occurrence 2. Reading the same file again produces the same ids. Occurrences are counted
    within these rows; the warehouse's stage counts them across the parts of a file.

    Args:
        rows: working schema, one row per record, ordered by ``line``.
    """
    return rows.with_columns(pl.coalesce(pl.col("record_id"), _fingerprint()).alias("record_id"))


def _fingerprint() -> pl.Expr:
    return pl.concat_str(_text_digest(), pl.col(LINE).cum_count().over(RAW).cast(pl.String), separator="-")


def _text_digest() -> pl.Expr:
    return plh.col(RAW).chash.sha2_256().str.head(_LENGTH)


def is_fingerprint(record_id: pl.Expr) -> pl.Expr:
    """Whether record ids of imported records are fingerprints."""
    return record_id.str.contains(f"^[^:]*:{_FINGERPRINT}:")


def with_digests(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds digests that tell a changed record from an equal one without a comparison of every column.

    Args:
        rows: working schema plus ``detail_source`` (text of the detail document; null without one).

    Returns:
        The same rows plus ``list_digest`` (over the columns that every load delivers) and ``row_digest`` (over all
        columns, with details): 32 hex digits of a sha256 that is the same on any machine and version.
    """
    list_columns = [field.name for field in FIELDS if not field.detail_only and field.name not in _KEY]
    detail_columns = [field.name for field in FIELDS if field.detail_only]
    return (
        rows.with_columns(
            _text_of(list_columns).alias("__list"),
            _text_of(detail_columns).alias("__detail"),
        )
        .with_columns(
            pl.concat_str("__list", pl.col(EXTRA).fill_null(_NULL), separator=_SEPARATOR).alias("__list"),
        )
        .with_columns(
            pl.concat_str("__list", "__detail", pl.col("detail_source").fill_null(_NULL), separator=_SEPARATOR).alias(
                "__detail"
            ),
        )
        .with_columns(
            plh.col("__list").chash.sha2_256().str.head(_LENGTH).alias("list_digest"),
            plh.col("__detail").chash.sha2_256().str.head(_LENGTH).alias("row_digest"),
        )
        .drop("__list", "__detail")
    )


def _text_of(columns: list[str]) -> pl.Expr:
    """One canonical text per row. Instants are microseconds, so that the text depends on no locale and no version."""
    kinds = {field.name: field.kind for field in FIELDS}
    return pl.concat_str(
        [
            (pl.col(name).dt.epoch("us") if kinds[name] is Kind.INSTANT else pl.col(name))
            .cast(pl.String)
            .fill_null(_NULL)
            for name in columns
        ],
        separator=_SEPARATOR,
    )
