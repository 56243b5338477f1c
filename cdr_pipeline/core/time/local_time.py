"""Times as files write them, to instants in UTC. What does not name one instant exactly is refused, never guessed."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import available_timezones

import polars as pl

from cdr_pipeline.core.time.timestamps import instant_of
from cdr_pipeline.core.uploads.profile import TimeNotation

_ISO_LOCAL: Final = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")
_OFFSET: Final = re.compile(r"([+-])(0[0-9]|1[0-4]):?([0-5][0-9])")
_ISO_PLAIN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}$"
_ISO_ZULU: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}[Zz]$"
_INSTANT: Final = pl.Datetime("us", "UTC")
_COUNT: Final = r"^[0-9]+(?:\.[0-9]+)?$"
# Plausible call times: a year of 0026 or 20260 is a slip, and no database need hold it.
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2150, 1, 1, tzinfo=UTC)
_TOO_MANY_MILLISECONDS: Final = 10**14
Way = Callable[[pl.Series], pl.Series]


def instant(text: pl.Expr, notation: TimeNotation, formats: Sequence[str], zone: str) -> pl.Expr:
    """Instant of a text.

    Args:
        text: as delivered; null stays null.
        notation: how it is written.
        formats: of local times, tried in order.
        zone: IANA zone or offset of local times, and of ISO 8601 times without an offset.

    Returns:
        ``Datetime("us", "UTC")``; null where the text is not a time, names none or two on a day of clock change, or
        lies outside the years 1990 to 2149.
    """
    return text.map_batches(
        lambda texts: _instants(texts, notation, formats, zone), return_dtype=_INSTANT, is_elementwise=True
    )


def is_time(text: pl.Expr, notation: TimeNotation, formats: Sequence[str]) -> pl.Expr:
    """Whether the text is a plausible time, leaving aside whether the zone's clocks ever showed it."""
    return instant(text, notation, formats, "UTC").is_not_null()


def rival_formats(formats: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Formats that differ from another one of the list only in whether the day or the month comes first: both kinds."""
    rivals = [layout for layout in formats if _swapped(layout) in formats]
    day_first = tuple(layout for layout in rivals if layout.index("%d") < layout.index("%m"))
    return day_first, tuple(layout for layout in rivals if layout not in day_first)


def _swapped(layout: str) -> str | None:
    if "%d" not in layout or "%m" not in layout:
        return None
    return layout.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def is_local_time(texts: pl.Series, formats: Sequence[str]) -> pl.Series:
    """Whether each text is a local time in one of the formats."""
    return _naive(texts.str.strip_chars(), formats).is_not_null()


def is_count(text: pl.Expr, notation: TimeNotation) -> pl.Expr:
    """Whether the text counts seconds or milliseconds where the notation does, be they of a plausible time or not."""
    if notation in ("local", "iso8601", "rfc2822"):
        return pl.lit(value=False)
    return text.str.strip_chars().str.contains(_COUNT)


def is_zone(name: str) -> bool:
    """Whether a name is an IANA zone or an offset such as +02:00."""
    return _OFFSET.fullmatch(name) is not None or name in available_timezones()


def _instants(texts: pl.Series, notation: TimeNotation, formats: Sequence[str], zone: str) -> pl.Series:
    if texts.null_count() == len(texts):
        return pl.Series(texts.name, [None], _INSTANT).new_from_index(0, len(texts))
    found = _read(texts.str.strip_chars(), notation, formats, zone)
    return found.to_frame("t").select(
        pl.when(pl.col("t").is_between(_EARLIEST, _LATEST, closed="left")).then("t").alias(texts.name)
    ).to_series()  # fmt: skip


def _read(texts: pl.Series, notation: TimeNotation, formats: Sequence[str], zone: str) -> pl.Series:
    match notation:
        case "local":
            return _in_zone(_naive(texts, formats), zone)
        case "iso8601":
            return _by_form(texts, _iso_ways(zone), lambda rest: _iso(rest, zone))
        case "rfc2822":
            normal = texts.str.replace(r"(?:GMT|UTC|Z)$", "+0000")
            return normal.str.to_datetime("%a, %d %b %Y %H:%M:%S %z", time_unit="us", time_zone="UTC", strict=False)
        case "epoch_seconds" | "gregorian_seconds":
            return _counted(texts)
        case "epoch_milliseconds":
            milliseconds = _whole(pl.col("t"))
            possible = pl.when(milliseconds < _TOO_MANY_MILLISECONDS).then(milliseconds)
            return texts.to_frame("t").select(pl.from_epoch(possible, time_unit="ms").cast(_INSTANT)).to_series()
        case "any":
            ways = {**_iso_ways(zone), _COUNT: _counted}
            return _by_form(texts, ways, lambda rest: _first(_iso(rest, zone), _in_zone(_naive(rest, formats), zone)))


def _by_form(texts: pl.Series, ways: Mapping[str, Way], otherwise: Way) -> pl.Series:
    """Each text read by the way of the first form that it has: most files have one, and it is a quick one."""
    found = pl.Series("t", [None], _INSTANT).new_from_index(0, len(texts))
    left = texts.is_not_null().arg_true()
    for form, way in (*ways.items(), ("", otherwise)):
        rest = texts.gather(left)
        fits = rest.str.contains(form)
        if fits.all() and len(rest) == len(texts):
            return way(texts)
        if fits.any():
            found = found.scatter(left.filter(fits), way(rest.filter(fits)))
            left = left.filter(~fits)
    return found


def _iso_ways(zone: str) -> dict[str, Way]:
    """The two forms of ISO 8601 that nearly all files use, read without looking for fractions and offsets."""
    return {
        _ISO_ZULU: lambda texts: _seconds_of(texts.str.head(19)).dt.replace_time_zone("UTC"),
        _ISO_PLAIN: lambda texts: _in_zone(_seconds_of(texts), zone),
    }


def _seconds_of(texts: pl.Series) -> pl.Series:
    normal = texts.str.replace(" ", "T", literal=True)
    return normal.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False, exact=True)


def _iso(texts: pl.Series, zone: str) -> pl.Series:
    """ISO 8601 with Z or an offset, else a local time; ``T`` or a space between date and time."""
    normal = texts.str.replace(" ", "T", literal=True).str.replace(r"(?i)Z$", "+00:00")
    exact = normal.set(~normal.str.contains(r"[+-]\d{2}:?\d{2}$"), None)  # type: ignore[arg-type]
    with_offset = exact.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    return _first(with_offset, _in_zone(_naive(texts, _ISO_LOCAL), zone))


def _first(one: pl.Series, other: pl.Series) -> pl.Series:
    return one.zip_with(one.is_not_null(), other)


def _naive(texts: pl.Series, formats: Sequence[str]) -> pl.Series:
    """Local times by the first format that reads them."""
    found = pl.Series("t", [None], pl.Datetime("us")).new_from_index(0, len(texts))
    left = texts.is_not_null().arg_true()
    for layout in formats:
        read = texts.gather(left).str.to_datetime(layout, time_unit="us", strict=False, exact=True)
        if read.null_count() == 0 and len(read) == len(texts):
            return read
        found = found.scatter(left.filter(read.is_not_null()), read.drop_nulls())
        left = left.filter(read.is_null())
    return found


def _in_zone(naive: pl.Series, zone: str) -> pl.Series:
    offset = _OFFSET.fullmatch(zone)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        east = -minutes if offset[1] == "-" else minutes
        return naive.dt.replace_time_zone("UTC").dt.offset_by(f"{-east}m")
    return naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")


def _counted(texts: pl.Series) -> pl.Series:
    """Counted seconds, Unix or Gregorian by magnitude, with an optional fraction."""
    text = pl.col("t")
    fraction = (pl.lit("0.") + text.str.extract(r"\.(\d{1,6})\d*$", 1)).cast(pl.Float64).fill_null(0.0)
    whole = instant_of(_whole(text)) + pl.duration(microseconds=(fraction * 1_000_000).round().cast(pl.Int64))
    return texts.to_frame("t").select(whole).to_series()


def _whole(text: pl.Expr) -> pl.Expr:
    """The whole part of a count above zero."""
    whole = text.str.extract(r"^(\d{1,18})(?:\.\d+)?$", 1).cast(pl.Int64, strict=False)
    return pl.when(whole > 0).then(whole)
