"""Joins the rows of calls that a source splits into several rows, such as Avaya's continuation rows."""

from dataclasses import dataclass

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW, no_rejects
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.records.rejection import RowFault, split_rejects
from cdr_pipeline.core.uploads.profile import Profile

_KEY = "__call"
_NUMBER = "__number"
_MORE = "__more"
_CLOCK = r"^(?:([0-9]{1,6}):)?([0-9]{1,2}):([0-9]{2})$"
_COUNT = r"^[0-9]{1,12}$"
_AMOUNT = r"^-?[0-9]{1,12}(?:[.,][0-9]{1,12})?$"
_EXACT = pl.Decimal(38, 12)


@dataclass(frozen=True, slots=True)
class JoinedSegments:
    """Result of joining the rows of calls.

    Attributes:
        rows: one row per call.
        rejects: rows of calls whose last row is missing, in ``REJECT_SCHEMA``.
        joined: line numbers of rows that were joined to the first row of their call.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    joined: pl.Series


def join_segments(records: pl.DataFrame, profile: Profile) -> JoinedSegments:
    """Joins the rows of each call into one row, with the line of the first row and the raw text of all rows.

    The rows of a call have the same key. The call ends with the row that states that no more rows follow. A later row
    with the same key begins a new call, because a source may reuse its keys after a restart. Rows of a call without a
    last row are rejected.

    Args:
        records: ``line``, ``raw`` and text columns of the whole file, in the order of the file.
        profile: import profile; its section ``segments`` defines how rows belong together.
    """
    segments = profile.segments
    if not segments.key or records.is_empty():
        return JoinedSegments(records, no_rejects(), records[LINE].clear())
    has_more = (pl.col(segments.continued) == segments.more).fill_null(value=False)
    numbered = records.with_columns(
        pl.concat_str([pl.col(column).fill_null("") for column in segments.key], separator="\x1f").alias(_KEY),
        has_more.alias(_MORE),
    ).with_columns((~pl.col(_MORE)).cum_sum().over(_KEY).sub((~pl.col(_MORE)).cast(pl.Int64)).alias(_NUMBER))
    call = [_KEY, _NUMBER]
    with_ends = numbered.with_columns((~pl.col(_MORE)).any().over(call).alias("__whole"))
    split = split_rejects(with_ends, [RowFault(segments.continued, Reject.BROKEN_CALL, ~pl.col("__whole"))])
    first_columns = [column for column in records.columns if column not in (LINE, RAW, *segments.sums, *segments.last)]
    calls = split.rows.group_by(call, maintain_order=True).agg(
        pl.col(LINE).first(),
        pl.col(RAW).str.join("\n"),
        *(pl.col(column).first() for column in first_columns),
        *(pl.col(column).last() for column in segments.last),
        *(_total(column) for column in segments.sums),
    )
    joined = split.rows.filter(pl.int_range(pl.len()).over(call) > 0)[LINE]
    return JoinedSegments(calls.select(records.columns).sort(LINE), split.rejects, joined)


def _total(column: str) -> pl.Expr:
    """The sum of a column in its own notation: hh:mm:ss, a count or an amount.

    If a value has another notation, the result is a text that the normalizer rejects.
    """
    text = pl.col(column).str.strip_chars()
    parts = text.str.extract_groups(_CLOCK)
    hours, minutes, seconds = (parts.struct.field(str(number)).cast(pl.Int64).fill_null(0) for number in (1, 2, 3))
    total = (hours * 3600 + minutes * 60 + seconds).sum()
    clock = pl.format(
        "{}:{}:{}",
        total // 3600,
        (total // 60 % 60).cast(pl.String).str.zfill(2),
        (total % 60).cast(pl.String).str.zfill(2),
    )
    count = text.cast(pl.Int64, strict=False).sum().cast(pl.String)
    # The decimal mark of the first value that has one; amounts are added exactly.
    comma = text.str.contains(",", literal=True).any()
    exact = text.str.replace(",", ".", literal=True).cast(_EXACT, strict=False).sum().cast(pl.String)
    trimmed = exact.str.strip_chars_end("0").str.strip_chars_end(".")
    amount = pl.when(comma).then(trimmed.str.replace(".", ",", literal=True)).otherwise(trimmed)
    values = text.drop_nulls()
    return (
        pl.when(values.len() == 0)
        .then(None)
        .when(values.str.contains(_CLOCK).all())
        .then(clock)
        .when(values.str.contains(_COUNT).all())
        .then(count)
        .when(values.str.contains(_AMOUNT).all())
        .then(amount)
        .otherwise(values.str.join("+"))
        .alias(column)
    )
