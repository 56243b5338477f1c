"""Reads files with a profile without a warehouse: rows as they would be merged, and what would be rejected."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE
from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.core.normalize.segments import join_segments
from cdr_pipeline.core.records.identity import source_of, with_record_ids
from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.date_order import with_date_order
from cdr_pipeline.sources.uploads.parse import read_upload
from cdr_pipeline.sources.uploads.profiles import list_profiles
from cdr_pipeline.sources.uploads.reject_reasons import RejectReason, RejectReasons

ROWS_SHOWN: Final = 5
_BLOCKS: Final = 4
# A trial does not know the time, so no call is in the future.
_LATEST: Final = datetime(2150, 1, 1, tzinfo=UTC)
_MOST_REASONS: Final = 20
_GOOD: Final = 0.9
_ROUNDED: Final = 90
_SHAPES: Final = {
    "call_direction": r"^(?i:inbound|outbound)$",
    "caller_id_number": r"(?i)^[+*#0-9(][0-9 ()./*#-]*|@|<.*>$|anonymous|unknown|^[a-z0-9._-]+$",
    "disposition": r"^[A-Za-z][A-Za-z _-]+$",
    "hangup_cause": r"^(?:[A-Z][A-Z_]+|[0-9]{1,10}|[A-Za-z ]+)$",
}


@dataclass(slots=True)
class Trial:
    """What a profile makes of files.

    Attributes:
        rows: the first accepted rows as they would be merged, with ``line`` and ``raw``.
        counts: number of lines by class: read, merged, rejected, filtered.
        filtered: number of lines that are not records, by kind.
        reasons: rejected rows by reason.
        error: why the files cannot be read; "" if they can.
    """

    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    counts: Counter[str] = field(default_factory=Counter[str])
    filtered: Counter[str] = field(default_factory=Counter[str])
    reasons: list[RejectReason] = field(default_factory=list[RejectReason])
    error: str = ""


def try_profile(paths: Sequence[Path], profile: Profile, *, blocks: int = _BLOCKS) -> Trial:
    """Reads the beginning of files with a profile.

    Args:
        paths: files of one kind.
        profile: profile to try. Local times of the zone "account" are read as UTC.
        blocks: number of blocks of each file that are read.
    """
    trial = Trial()
    reasons = RejectReasons()
    for path in paths:
        try:
            chosen = with_date_order(path, profile)
            for records in islice(read_upload(path, chosen), blocks):
                joined = join_segments(records.frame, chosen)
                rows = normalize_imported(joined.rows, chosen, account_id="trial", account_time_zone="UTC")
                checked = validate(with_record_ids(rows.rows, source_of("trial")), latest=_LATEST)
                rejects = pl.concat([records.rejects, joined.rejects, rows.rejects, checked.rejects]).sort(LINE)
                trial.counts.update(
                    read=records.read,
                    merged=checked.rows.height,
                    rejected=rejects.height,
                    filtered=records.read - checked.rows.height - rejects.height,
                )
                trial.filtered.update({kind.value: number for kind, number in records.filtered.items()})
                if len(joined.joined):
                    trial.filtered["segment"] += len(joined.joined)
                trial.rows += checked.rows.head(ROWS_SHOWN - len(trial.rows)).to_dicts()
                reasons.add(rejects, joined.rows, chosen)
        except UnreadableUpload as error:
            trial.error = error.message
            break
    trial.reasons = list(reasons.listed()[:_MOST_REASONS])
    return trial


def fitting_profiles(path: Path, folder: Path | None = None) -> list[str]:
    """Names of profiles that read a file as it is, by the values that they make of it.

    A profile fits if it accepts nearly all rows and nearly all of its values have the shape of their field, and if
    lengths agree with the times. The number of columns alone does not count.
    """
    fitting: list[str] = []
    for name, profile in list_profiles(folder).items():
        if name == "generic":
            continue
        # A profile of another kind of file fails in many ways.
        with contextlib.suppress(Exception):
            if _fits(path, profile):
                fitting.append(name)
    return fitting


def _fits(path: Path, profile: Profile) -> bool:
    for records in islice(read_upload(path, profile, block=256 * 1024), 1):
        joined = join_segments(records.frame, profile)
        checked = normalize_imported(joined.rows, profile, account_id="trial", account_time_zone="UTC")
        rejected = records.rejects.height + joined.rejects.height + checked.rejects.height
        rows = checked.rows
        if not rows.height or rows.height < _GOOD * (rows.height + rejected):
            return False
        wanted = [columns for columns in profile.fields.values() if columns]
        if profile.layout.header or profile.layout.format in ("json", "xml"):
            present = sum(
                any(
                    column in joined.rows.columns and joined.rows[column].null_count() < rows.height
                    for column in columns
                )
                for columns in wanted
            )
            exist = sum(any(column in joined.rows.columns for column in columns) for columns in wanted)
            if exist <= len(wanted) * 0.7 or present < 3:  # noqa: PLR2004 - start, length and a number
                return False
        return all(_has_shape(rows, name, shape) for name, shape in _SHAPES.items()) and _lengths_agree(rows)
    return False


def _has_shape(rows: pl.DataFrame, name: str, shape: str) -> bool:
    values = rows[name].drop_nulls()
    return values.is_empty() or float(values.str.contains(shape).mean() or 0.0) >= _GOOD  # type: ignore[arg-type]


def _lengths_agree(rows: pl.DataFrame) -> bool:
    """Whether durations are at most the time between start and end, and billed times at most the duration."""
    known = rows.filter(pl.col("duration_seconds").is_not_null() & pl.col("ended_at").is_not_null())
    if known.is_empty():
        return True
    span = (known["ended_at"] - known["started_at"]).dt.total_seconds()
    return bool(((span - known["duration_seconds"].cast(pl.Float64)).abs() <= _ROUNDED).mean() >= _GOOD)  # type: ignore[operator]
