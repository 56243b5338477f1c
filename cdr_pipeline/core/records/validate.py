"""The rules that every record must satisfy, checked by Pandera on the canonical frame.

The normalizers cast values and reject those that cannot be cast. This module only checks values of frames that have the
right types. It takes DataFrames, because Pandera does not check the values of a LazyFrame.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from cdr_pipeline.core.fields.dictionary import BY_NAME, FIELDS, Field, Kind
from cdr_pipeline.core.fields.schemas import DAY, DETAIL, LINE, REJECT_SCHEMA, CheckedRows
from cdr_pipeline.core.records.json_faults import json_faults
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.records.rejection import split_rejects, too_many_bytes

# A switch rounds billed time up and the duration down, so one billed second above the duration is not an error.
_ROUNDING_SECONDS: Final = 1
_ROW = "__row"


def validate(rows: pl.DataFrame, *, latest: datetime) -> CheckedRows:
    """Splits canonical rows into rows that satisfy every rule and rejects.

    Args:
        rows: working schema (further columns pass through), one row per record.
        latest: latest start of a call that is accepted.

    Returns:
        Accepted rows in their order, and one reject per refused row: the first rule that it breaks, in the order of
        the field dictionary.
    """
    if rows.is_empty():
        return CheckedRows(rows, pl.DataFrame(schema=REJECT_SCHEMA))
    faults = json_faults(rows)
    if faults:
        split = split_rejects(rows, faults)
        checked = validate(split.rows, latest=latest)
        return CheckedRows(checked.rows, pl.concat([checked.rejects, split.rejects]).sort(LINE))
    try:
        _schema(rows, latest).validate(rows, lazy=True)
    except SchemaErrors as errors:
        failures = _failures(errors.failure_cases)
    else:
        return CheckedRows(rows, pl.DataFrame(schema=REJECT_SCHEMA))
    numbered = rows.with_row_index(_ROW).with_columns(pl.col(_ROW).cast(pl.Int64))
    in_future = pl.col("reason") == Reject.TIME_IN_FUTURE.value
    rejects = failures.join(numbered, on=_ROW, how="left", maintain_order="left").with_columns(
        _length_detail(rows).alias(DETAIL), pl.when(~in_future).then(pl.col(DAY)).alias(DAY)
    )
    accepted = numbered.join(failures.select(_ROW), on=_ROW, how="anti", maintain_order="left").drop(_ROW)
    return CheckedRows(accepted, rejects.sort(_ROW).select(*REJECT_SCHEMA))


def _too_long(rows: pl.DataFrame) -> frozenset[str]:
    """Names of text fields with values above the limit. Polars stores lengths, so this check reads no text."""
    limits = {field.name: field.longest for field in FIELDS if field.longest is not None and field.name in rows.columns}
    if not limits:
        return frozenset()
    exceeded = rows.select(
        (pl.col(name).cast(pl.String).str.len_bytes() > limit).any() for name, limit in limits.items()
    )
    return frozenset(name for name, longer in exceeded.row(0, named=True).items() if longer)


def _length_detail(rows: pl.DataFrame) -> pl.Expr:
    """Length and limit of the field that is too long; null for other reasons."""
    too_long = pl.col("reason") == Reject.TOO_LONG.value
    return pl.coalesce(
        *(
            pl.when(too_long & (pl.col("field") == name)).then(too_many_bytes(pl.col(name), BY_NAME[name].longest or 0))
            for name in sorted(_too_long(rows))
        ),
        pl.lit(None, pl.String),
    )


def _contains_nul(rows: pl.DataFrame) -> bool:
    """Whether any text has a NUL. One check of all columns is much faster than Pandera's check of each column."""
    texts = [
        field.name
        for field in FIELDS
        if field.kind is Kind.TEXT and field.name in rows.columns and rows[field.name].null_count() < rows.height
    ]
    if not texts:
        return False
    result = rows.select(pl.any_horizontal(pl.col(texts).cast(pl.String).str.contains("\x00", literal=True).any()))
    return bool(result.item())


def _schema(rows: pl.DataFrame, latest: datetime) -> pa.DataFrameSchema:
    """The rules for these rows. Columns of the right type that have no rule or no value are left out to save time."""
    check_nul, too_long, schema = _contains_nul(rows), _too_long(rows), rows.schema
    empty = {column.name for column in rows if column.null_count() == rows.height}
    columns = {
        field.name: _column(field, latest, check_nul=check_nul, is_long=field.name in too_long)
        for field in FIELDS
        if (_has_rule(field, check_nul=check_nul) and (field.required or field.name not in empty))
        or field.name in too_long
        or schema.get(field.name) != field.kind.dtype
    }
    return pa.DataFrameSchema(
        columns,
        checks=[
            pa.Check(
                _billing_within_duration,
                error=Reject.BILLING_EXCEEDS_DURATION.value,
            )
        ],
        strict=False,
    )


def _billing_within_duration(data: pa.PolarsData) -> pl.LazyFrame:
    """Applies only to records of the switch: carriers round billed time up to their increments."""
    excess = pl.col("billing_seconds") > pl.col("duration_seconds") + _ROUNDING_SECONDS
    return data.lazyframe.select(~((pl.col("origin") == "api") & excess).fill_null(value=False))


def _has_rule(field: Field, *, check_nul: bool) -> bool:
    """Whether a field has a rule other than its type."""
    has_rule = field.required or field.minimum is not None or bool(field.allowed) or field.name == "started_at"
    return has_rule or (check_nul and field.kind is Kind.TEXT)


def _column(field: Field, latest: datetime, *, check_nul: bool, is_long: bool) -> pa.Column:
    checks: list[pa.Check] = []
    if is_long and field.longest is not None:
        checks.append(pa.Check(_no_longer_than(field.longest), error=Reject.TOO_LONG.value))
    if field.minimum is not None:
        checks.append(pa.Check.ge(field.minimum, error=Reject.OUT_OF_RANGE.value))
    if field.allowed:
        checks.append(pa.Check.isin(field.allowed, error=Reject.NOT_ALLOWED.value))
    if field.name == "started_at":
        checks.append(pa.Check.le(latest, error=Reject.TIME_IN_FUTURE.value))
    if check_nul and field.kind is Kind.TEXT:
        checks.append(pa.Check(_without_nul, error=Reject.NUL_CHARACTER.value))
    return pa.Column(field.kind.dtype, checks=checks, nullable=not field.required, required=True)


def _no_longer_than(limit: int) -> Callable[[pa.PolarsData], pl.LazyFrame]:
    return lambda data: data.lazyframe.select((pl.col(data.key).str.len_bytes() <= limit).fill_null(value=True))


def _without_nul(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(~pl.col(data.key).str.contains("\x00", literal=True).fill_null(value=False))


def _failures(cases: pl.DataFrame) -> pl.DataFrame:
    """First failure of each row: ``__row``, ``field``, ``reason``. Values are left out: they are personal data."""
    order = {field.name: number for number, field in enumerate(FIELDS)}
    return (
        cases.select(
            pl.col("index").cast(pl.Int64).alias(_ROW),
            pl.when(pl.col("check") == Reject.BILLING_EXCEEDS_DURATION.value)
            .then(pl.lit("billing_seconds"))
            .otherwise(pl.col("column"))
            .alias("field"),
            pl.when(pl.col("check") == "not_nullable")
            .then(pl.lit(Reject.MISSING_VALUE.value))
            .otherwise(pl.col("check"))
            .alias("reason"),
        )
        .sort(_ROW, pl.col("field").replace_strict(order, default=len(order), return_dtype=pl.Int64))
        .unique(_ROW, keep="first", maintain_order=True)
    )
