"""Joins the rows of calls that a source splits into several rows, such as Avaya's continuation rows.

A call that begins in one file and ends in the next is joined when the second of the two files is read, in any order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW, no_rejects
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.records.rejection import RowFault, split_rejects
from cdr_pipeline.core.uploads.profile import Profile, Segments

_KEY = "__call"
_NUMBER = "__number"
_MORE = "__more"
_BEGIN, _ANSWER, _END = "__begin", "__answer", "__end"
_LINES = "__lines"
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
        completed: positions of earlier rows that are part of a call now.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    joined: pl.Series
    completed: tuple[int, ...] = ()


def join_segments(
    records: pl.DataFrame, profile: Profile, earlier: Callable[[], pl.DataFrame] | None = None
) -> JoinedSegments:
    """Joins the rows of each call into one row, with the line of the first row and the raw text of all rows.

    The rows of a call have the same key. The call ends with the row that states that no more rows follow. A later row
    with the same key begins a new call, because a source may reuse its keys after a restart. Rows of a call without a
    last row are rejected.

    Args:
        records: ``line``, ``raw`` and text columns of the whole file, in the order of the file.
        profile: import profile; its section ``segments`` defines how rows belong together.
        earlier: returns rows of other files whose calls are not complete; asked if calls of this file are not.
    """
    segments = profile.segments
    if not segments.key or records.is_empty():
        return JoinedSegments(records, no_rejects(), records[LINE].clear())
    if segments.begin:
        calls, rejects, joined = _join_events(records, segments)
        result = JoinedSegments(calls.drop(_LINES), rejects, joined)
        return result if earlier is None or rejects.is_empty() else _with_earlier(result, records, segments, earlier())
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


def _join_events(records: pl.DataFrame, segments: Segments) -> tuple[pl.DataFrame, pl.DataFrame, pl.Series]:
    """Joins rows that begin, answer and end a call. A call that is not ended in the file is rejected.

    A call is the first row that begins it, the first answer and the first end after it. Rows that repeat one of these,
    as after a second INVITE in a call, belong to the call and change nothing. So do rows between its begin and its end
    that are none of these; such rows without a call, and ends without a begin, are rejected.
    """
    records = records.with_columns(
        pl.lit(None, pl.String).alias(name)
        for patterns in (segments.begin, segments.answer, segments.end, segments.alone)
        for name in patterns
        if name not in records.columns
    )
    marked = records.with_columns(
        pl.concat_str([pl.col(column).fill_null("") for column in segments.key], separator="\x1f").alias(_KEY),
        _is_a(segments.begin).alias(_BEGIN),
        _is_a(segments.answer).alias(_ANSWER),
        (_is_a(segments.end) | (_is_a(segments.begin) & _is_a(segments.alone))).alias(_END),
    )
    # An ended call, or a failed attempt, closes its key: the next begin with this key is another call.
    closes = pl.col(_END)
    numbered = marked.with_columns(closes.cum_sum().over(_KEY).sub(closes.cast(pl.Int64)).alias(_NUMBER))
    call = [_KEY, _NUMBER]
    whole = pl.col(_BEGIN).any().over(call) & closes.any().over(call)
    split = split_rejects(
        numbered.with_columns(whole.alias("__whole")),
        [RowFault(next(iter(segments.begin)), Reject.BROKEN_CALL, ~pl.col("__whole"))],
    )
    new = {**segments.from_answer, **segments.from_end}
    first = [column for column in records.columns if column not in (LINE, RAW, *segments.sums, *segments.last, *new)]
    begins = pl.col(_BEGIN)
    calls = split.rows.group_by(call, maintain_order=True).agg(
        pl.coalesce(pl.col(LINE).filter(begins).first(), pl.col(LINE).first()),
        pl.col(LINE).alias(_LINES),
        pl.col(RAW).str.join("\n"),
        *(pl.col(column).filter(begins).first() for column in first),
        *(pl.col(column).last() for column in segments.last),
        *(_total(column) for column in segments.sums),
        *(pl.col(column).filter(pl.col(_ANSWER)).first().alias(name) for name, column in segments.from_answer.items()),
        *(pl.col(column).filter(pl.col(_END)).first().alias(name) for name, column in segments.from_end.items()),
    )
    joined = split.rows[LINE].filter(~split.rows[LINE].is_in(calls[LINE].implode()))
    columns = [*(column for column in records.columns if column not in new), *new, _LINES]
    return calls.select(columns).sort(LINE), split.rejects, joined


def _is_a(patterns: Mapping[str, str]) -> pl.Expr:
    if not patterns:
        return pl.lit(value=False)
    return pl.all_horizontal(pl.col(name).str.contains(pattern) for name, pattern in patterns.items()).fill_null(
        value=False
    )


def _with_earlier(
    result: JoinedSegments, records: pl.DataFrame, segments: Segments, earlier: pl.DataFrame
) -> JoinedSegments:
    """Completes calls of this file with rows of other files. Such a call has the line of its first row in this file."""
    if earlier.is_empty():
        return result
    broken = records.filter(pl.col(LINE).is_in(result.rejects[LINE].implode()))
    # Rows of other files have numbers below zero. Their ends belong after the rows of this file, the others before.
    others = earlier.with_columns(-pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(LINE)).with_columns(
        pl.lit(None, pl.String).alias(name) for name in segments.end if name not in earlier.columns
    )
    ends = others.select(_is_a(segments.end)).to_series()
    rows = pl.concat([others.filter(~ends), broken, others.filter(ends)], how="diagonal")
    calls, *_ = _join_events(rows, segments)
    own = pl.col(_LINES).list.eval(pl.element().filter(pl.element() > 0))
    calls = calls.filter(own.list.len() > 0).with_columns(own.list.min().alias(LINE))
    lines = calls[_LINES].explode()
    mine, used = lines.filter(lines > 0), lines.filter(lines < 0)
    columns = [name for name in calls.columns if name in result.rows.columns]
    return replace(
        result,
        rows=pl.concat([result.rows, calls.select(columns)], how="diagonal").sort(LINE),
        rejects=result.rejects.filter(~pl.col(LINE).is_in(mine.implode())),
        joined=pl.concat([result.joined, mine.filter(~mine.is_in(calls[LINE].implode()))]),
        completed=tuple(-number - 1 for number in used.to_list()),
    )


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
