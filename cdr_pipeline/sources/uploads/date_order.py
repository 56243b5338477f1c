"""Whether the day or the month comes first: decided once for a whole file, never row by row, and never guessed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.normalize.imported import combined
from cdr_pipeline.core.time.local_time import instant, is_local_time, rival_formats
from cdr_pipeline.core.uploads.profile import Profile, TimeNotation
from cdr_pipeline.errors import AmbiguousDates
from cdr_pipeline.sources.uploads.parse import read_upload

# Enough of a file to see whether its dates are written in either order at all.
_LOOK: Final = 64 * 1024
# Longer than any call and any zone, shorter than from a day to the one with day and month exchanged.
_BESIDE: Final = timedelta(days=7)
_TIMES: Final = ("started_at", "answered_at", "ended_at")


def with_date_order(path: Path, profile: Profile) -> Profile:
    """The profile with one order of dates, where it has both and the file shows which.

    A date shows it that fits only one order, and so does one beside which its row states another time as ISO 8601, as
    an epoch or with the year first.

    Args:
        path: the file; all of it is read when it has such dates.
        profile: as it was loaded.

    Raises:
        AmbiguousDates: every date of the file fits both orders, or some fit only one and some only the other.
        UnreadableUpload: as ``read_upload``.
    """
    day_first, month_first = rival_formats(profile.time_formats)
    if not day_first:
        return profile
    first = next(read_upload(path, profile, block=_LOOK), None)
    if first is None or not _orders(first.frame, profile, day_first, month_first):
        return _without(profile, (*day_first, *month_first))
    found = set[str]()
    for records in read_upload(path, profile):
        found |= _orders(records.frame, profile, day_first, month_first)
    if "day" in found and "month" in found:
        raise AmbiguousDates(
            f"{path.name} has dates with the day first and dates with the month first", hint=_hint(day_first)
        )
    if "day" not in found and "month" not in found:
        raise AmbiguousDates(
            f"every date of {path.name} can be read with the day first and with the month first", hint=_hint(day_first)
        )
    return _without(profile, month_first if "day" in found else day_first)


def _orders(
    records: pl.DataFrame, profile: Profile, day_first: tuple[str, ...], month_first: tuple[str, ...]
) -> set[str]:
    """Orders that dates of these records need: day, month, or either."""
    made = combined(records, profile)
    names = dict.fromkeys(name for field in _TIMES for name in profile.fields.get(field, ()) if name in made.columns)
    found = set[str]()
    if not names:
        return found
    plain = _without(profile, (*day_first, *month_first))
    stated = made.select(
        pl.coalesce(_read(name, plain.time_notation, plain.time_formats) for name in names)
    ).to_series()
    for name in names:
        day, month = (is_local_time(made[name], formats).fill_null(value=False) for formats in (day_first, month_first))
        near_day, near_month = (_near(made[name], formats, stated) for formats in (day_first, month_first))
        both = day & month
        found |= {"day"} if ((day & ~month) | (both & near_day & ~near_month)).any() else set()
        found |= {"month"} if ((month & ~day) | (both & near_month & ~near_day)).any() else set()
        found |= {"either"} if both.any() else set()
    return found


def _read(name: str, notation: TimeNotation, formats: tuple[str, ...]) -> pl.Expr:
    """As if it were in UTC: a zone moves no date by as much as the other order does."""
    return instant(pl.col(name), notation, formats, "UTC")


def _near(texts: pl.Series, formats: tuple[str, ...], stated: pl.Series) -> pl.Series:
    """Which texts, read so, lie beside the time that another column of the row states in a way that has one order."""
    read = texts.to_frame().select(_read(texts.name, "local", formats)).to_series()
    return ((read - stated).abs() < _BESIDE).fill_null(value=False)


def _without(profile: Profile, formats: tuple[str, ...]) -> Profile:
    return replace(profile, time_formats=tuple(item for item in profile.time_formats if item not in formats))


def _hint(day_first: tuple[str, ...]) -> str:
    return f"ask its sender, and write a profile that names one: [time] formats = [{day_first[0]!r}] or the other"
