"""Decides whether dates have the day or the month first: once for a file, never row by row, and never by a guess."""

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

# Characters that are enough to see whether the file has dates in either order.
_SAMPLE: Final = 64 * 1024
# Longer than any call and any zone offset, shorter than the distance between a date and its exchanged form.
_NEARBY: Final = timedelta(days=7)
_TIMES: Final = ("started_at", "answered_at", "ended_at")


def with_date_order(path: Path, profile: Profile) -> Profile:
    """Returns the profile with one order of dates, if it has formats of both orders and the file shows which applies.

    A date that fits only one order shows the order. So does a date whose row has another time as ISO 8601, as an epoch
    or with the year first.

    Args:
        path: the file; it is read to its end if it has dates in these formats.
        profile: profile with formats of both orders.

    Raises:
        AmbiguousDates: every date of the file fits both orders, or some dates fit only one order and some only the
            other.
        UnreadableUpload: as in ``read_upload``.
    """
    day_first, month_first = rival_formats(profile.time_formats)
    if not day_first:
        return profile
    first = next(read_upload(path, profile, block=_SAMPLE), None)
    if first is None or not _orders(first.frame, profile, day_first, month_first):
        return _without(profile, (*day_first, *month_first))
    orders = set[str]()
    for records in read_upload(path, profile):
        orders |= _orders(records.frame, profile, day_first, month_first)
    if "day" in orders and "month" in orders:
        raise AmbiguousDates(
            f"{path.name} has dates with the day first and dates with the month first", hint=_hint(day_first)
        )
    if "day" not in orders and "month" not in orders:
        raise AmbiguousDates(
            f"every date of {path.name} can be read with the day first and with the month first", hint=_hint(day_first)
        )
    return _without(profile, month_first if "day" in orders else day_first)


def _orders(
    records: pl.DataFrame, profile: Profile, day_first: tuple[str, ...], month_first: tuple[str, ...]
) -> set[str]:
    """Orders that fit the dates of these records: day, month, either."""
    rows = combined(records, profile)
    names = dict.fromkeys(name for field in _TIMES for name in profile.fields.get(field, ()) if name in rows.columns)
    orders = set[str]()
    if not names:
        return orders
    plain = _without(profile, (*day_first, *month_first))
    stated = rows.select(
        pl.coalesce(_read(name, plain.time_notation, plain.time_formats) for name in names)
    ).to_series()
    for name in names:
        day, month = (is_local_time(rows[name], formats).fill_null(value=False) for formats in (day_first, month_first))
        near_day, near_month = (_near(rows[name], formats, stated) for formats in (day_first, month_first))
        both = day & month
        orders |= {"day"} if ((day & ~month) | (both & near_day & ~near_month)).any() else set()
        orders |= {"month"} if ((month & ~day) | (both & near_month & ~near_day)).any() else set()
        orders |= {"either"} if both.any() else set()
    return orders


def _read(name: str, notation: TimeNotation, formats: tuple[str, ...]) -> pl.Expr:
    """Times read as UTC. The error of the zone is small compared with that of the wrong order."""
    return instant(pl.col(name), notation, formats, "UTC")


def _near(texts: pl.Series, formats: tuple[str, ...], stated: pl.Series) -> pl.Series:
    """Whether each text, read with these formats, is close to the unambiguous time of another column in its row."""
    read = texts.to_frame().select(_read(texts.name, "local", formats)).to_series()
    return ((read - stated).abs() < _NEARBY).fill_null(value=False)


def _without(profile: Profile, formats: tuple[str, ...]) -> Profile:
    return replace(profile, time_formats=tuple(item for item in profile.time_formats if item not in formats))


def _hint(day_first: tuple[str, ...]) -> str:
    return f"ask the sender which one it is, and set only that one in a profile: [time] formats = [{day_first[0]!r}]"
