"""Record ids of imported records, and digests that detect changed records: sha256 over columns."""

from collections.abc import Container
from itertools import groupby
from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.core.fields.dictionary import BY_NAME, FIELDS, Field, Kind
from cdr_pipeline.core.fields.schemas import EXTRA, FINGERPRINT, LINE, RAW

_SEPARATOR: Final = "\x1f"
_NULL: Final = "\x00"
_LENGTH: Final = 32
# Kinds of record ids of imported records: the second part of the id, after the source.
_NATIVE: Final = "id"
_FINGERPRINT: Final = "fp"
_CORRECTED: Final = "fx"
# The first dictionary ends with this field. Fields after it only count in digests where they have a value, so that a
# record without one keeps its digest when a field is added.
_LAST_OF_THE_FIRST: Final = "server_id"
# Digests leave the key out, because the occurrence number in a record id may change.
_KEY: Final = ("account_id", "origin", "record_id")


def source_of(profile: str) -> str:
    """The source in the ids of a profile's records: the profile's name, with colons escaped.

    A profile has one carrier, so its name identifies both. The carrier itself is not part of the source: a profile
    whose carrier is corrected still reads the same records.
    """
    return profile.replace("~", "~7e").replace(":", "~3a")


def with_record_ids(rows: pl.DataFrame, source: str, *, corrects: str | None = None, context: str = "") -> pl.DataFrame:
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
        context: what identifies a row besides its text, such as the date in the name of its file; "" for nothing.

    Returns:
        The same rows with ``record_id`` never null, and ``fingerprint`` where the source delivers an id.
    """
    if corrects is None:
        kind, generated = _FINGERPRINT, _fingerprint(context)
    else:
        kind = _CORRECTED
        generated = pl.concat_str(pl.lit(corrects[:_LENGTH]), pl.col(LINE).cast(pl.String), separator="-")
    named = pl.lit(f"{source}:{_NATIVE}:") + pl.col("record_id")
    if not rows["record_id"].null_count():
        # The usual file: every row has an id, so no occurrences are counted.
        return rows.with_columns(named.alias("record_id"), _text_digest().alias(FINGERPRINT))
    return rows.with_columns(
        pl.coalesce(named, pl.lit(f"{source}:{kind}:") + generated).alias("record_id"),
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


def _fingerprint(context: str = "") -> pl.Expr:
    return pl.concat_str(_text_digest(context), pl.col(LINE).cum_count().over(RAW).cast(pl.String), separator="-")


def _text_digest(context: str = "") -> pl.Expr:
    if context:
        # The hash takes a column, not an expression of several.
        return pl.col(RAW).map_batches(
            lambda texts: (context + _SEPARATOR + texts).to_frame(RAW).select(_text_digest()).to_series(),
            return_dtype=pl.String,
            is_elementwise=True,
        )
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
    first, added = _first_and_added()
    list_columns = [field.name for field in first if not field.detail_only and field.name not in _KEY]
    detail_columns = [field.name for field in first if field.detail_only]
    added_to_list = [field.name for field in added if not field.detail_only]
    added_to_details = [field.name for field in added if field.detail_only]
    empty = frozenset(column.name for column in rows if column.null_count() == rows.height)
    return (
        rows.with_columns(
            _text_of(list_columns, empty).alias("__list"),
            _text_of(detail_columns, empty).alias("__detail"),
        )
        .with_columns(
            pl.concat_str(
                pl.concat_str("__list", pl.col(EXTRA).fill_null(_NULL), separator=_SEPARATOR),
                *(_value_of_added(name) for name in added_to_list if name not in empty),
            ).alias("__list"),
        )
        .with_columns(
            pl.concat_str(
                pl.concat_str("__list", "__detail", pl.col("detail_source").fill_null(_NULL), separator=_SEPARATOR),
                *(_value_of_added(name) for name in added_to_details if name not in empty),
            ).alias("__detail"),
        )
        .with_columns(
            plh.col("__list").chash.sha2_256().str.head(_LENGTH).alias("list_digest"),
            plh.col("__detail").chash.sha2_256().str.head(_LENGTH).alias("row_digest"),
        )
        .drop("__list", "__detail")
    )


def _first_and_added() -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """Fields of the first dictionary, and fields that were added to it."""
    end = 1 + next(number for number, field in enumerate(FIELDS) if field.name == _LAST_OF_THE_FIRST)
    return FIELDS[:end], FIELDS[end:]


def _text_of(columns: list[str], empty: Container[str]) -> pl.Expr:
    """One canonical text per row; columns without any value, most of them in a carrier's file, are one constant."""
    parts: list[pl.Expr] = []
    for is_empty, group in groupby(columns, key=lambda name: name in empty):
        names = list(group)
        if is_empty:
            parts.append(pl.lit(_SEPARATOR.join(_NULL for _ in names)))
        else:
            parts += [_canonical(name).fill_null(_NULL) for name in names]
    return pl.concat_str(parts, separator=_SEPARATOR)


def _value_of_added(name: str) -> pl.Expr:
    """Name and value of a field that was added to the dictionary; empty without a value."""
    named = pl.concat_str(pl.lit(f"{_SEPARATOR}{name}="), _canonical(name))
    return pl.when(pl.col(name).is_null()).then(pl.lit("")).otherwise(named)


def _canonical(name: str) -> pl.Expr:
    """Text of a value. Instants are microseconds, so that the text depends on no locale and no version."""
    column = pl.col(name)
    return (column.dt.epoch("us") if BY_NAME[name].kind is Kind.INSTANT else column).cast(pl.String)
