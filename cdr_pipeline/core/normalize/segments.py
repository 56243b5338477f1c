"""Calls that a source spreads over several rows, joined into one record each (Avaya's continuation rows)."""

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


@dataclass(frozen=True, slots=True)
class JoinedSegments:
    """Rows by what became of them: one per call, those of calls that do not end, lines that were joined to others."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    joined: pl.Series


def join_segments(records: pl.DataFrame, profile: Profile) -> JoinedSegments:
    """One row per call; its line is the first one's, its raw text all of theirs.

    A call's rows share their key and follow each other until one says that no more do; a source begins its keys again
    after a restart, and then a new call begins. Rows of a call without an end are rejects.

    Args:
        records: ``line``, ``raw`` and text columns, in the order of the file, of all of it.
        profile: whose segments say how.
    """
    segments = profile.segments
    if not segments.key or records.is_empty():
        return JoinedSegments(records, no_rejects(), records[LINE].clear())
    more = (pl.col(segments.continued) == segments.more).fill_null(value=False)
    marked = records.with_columns(
        pl.concat_str([pl.col(column).fill_null("") for column in segments.key], separator="\x1f").alias(_KEY),
        more.alias(_MORE),
    ).with_columns((~pl.col(_MORE)).cum_sum().over(_KEY).sub((~pl.col(_MORE)).cast(pl.Int64)).alias(_NUMBER))
    call = [_KEY, _NUMBER]
    whole = marked.with_columns((~pl.col(_MORE)).any().over(call).alias("__whole"))
    sifted = split_rejects(whole, [RowFault(segments.continued, Reject.BROKEN_CALL, ~pl.col("__whole"))])
    kept = [column for column in records.columns if column not in (LINE, RAW, *segments.sums, *segments.last)]
    calls = sifted.rows.group_by(call, maintain_order=True).agg(
        pl.col(LINE).first(),
        pl.col(RAW).str.join("\n"),
        *(pl.col(column).first() for column in kept),
        *(pl.col(column).last() for column in segments.last),
        *(_total(column) for column in segments.sums),
    )
    joined = sifted.rows.filter(pl.int_range(pl.len()).over(call) > 0)[LINE]
    return JoinedSegments(calls.select(records.columns).sort(LINE), sifted.rejects, joined)


def _total(column: str) -> pl.Expr:
    """The sum of a column in its own notation, clock or count; a value that is neither makes the sum unreadable."""
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
    given = text.drop_nulls()
    return (
        pl.when(given.len() == 0)
        .then(None)
        .when(given.str.contains(_CLOCK).all())
        .then(clock)
        .when(given.str.contains(_COUNT).all())
        .then(count)
        .otherwise(given.str.join("+"))
        .alias(column)
    )
