"""Times as files write them, to instants in UTC. What does not name one instant exactly is refused, never guessed."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import available_timezones

import polars as pl

from cdr_pipeline.core.profile import TimeNotation
from cdr_pipeline.core.timestamps import instant_of

_ISO_LOCAL: Final = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")
_OFFSET: Final = re.compile(r"([+-])(\d{2}):?(\d{2})")
_COUNT: Final = r"^[0-9]+(?:\.[0-9]+)?$"
# Plausible call times: a year of 0026 or 20260 is a slip, and no database need hold it.
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2150, 1, 1, tzinfo=UTC)
_TOO_MANY_MILLISECONDS: Final = 10**14


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
    found = _instant(text.str.strip_chars(), notation, formats, zone)
    return pl.when(found.is_between(_EARLIEST, _LATEST, closed="left")).then(found)


def is_time(text: pl.Expr, notation: TimeNotation, formats: Sequence[str]) -> pl.Expr:
    """Whether the text is a plausible time, leaving aside whether the zone's clocks ever showed it."""
    return instant(text, notation, formats, "UTC").is_not_null()


def is_count(text: pl.Expr, notation: TimeNotation) -> pl.Expr:
    """Whether the text counts seconds or milliseconds where the notation does, be they of a plausible time or not."""
    if notation in ("local", "iso8601", "rfc2822"):
        return pl.lit(value=False)
    return text.str.strip_chars().str.contains(_COUNT)


def _instant(text: pl.Expr, notation: TimeNotation, formats: Sequence[str], zone: str) -> pl.Expr:
    match notation:
        case "local":
            return _in_zone(_naive(text, formats), zone)
        case "iso8601":
            return pl.coalesce(_iso_with_offset(text), _in_zone(_naive(text, _ISO_LOCAL), zone))
        case "rfc2822":
            normal = text.str.replace(r"(?:GMT|UTC|Z)$", "+0000")
            return normal.str.to_datetime("%a, %d %b %Y %H:%M:%S %z", time_unit="us", time_zone="UTC", strict=False)
        case "epoch_seconds" | "gregorian_seconds":
            return _counted(text)
        case "epoch_milliseconds":
            milliseconds = _whole(text)
            possible = pl.when(milliseconds < _TOO_MANY_MILLISECONDS).then(milliseconds)
            return pl.from_epoch(possible, time_unit="ms").cast(pl.Datetime("us", "UTC"))
        case "any":
            return pl.coalesce(_instant(text, "iso8601", formats, zone), _counted(text))


def _naive(text: pl.Expr, formats: Sequence[str]) -> pl.Expr:
    return pl.coalesce(text.str.to_datetime(layout, time_unit="us", strict=False, exact=True) for layout in formats)


def is_zone(name: str) -> bool:
    """Whether a name is an IANA zone or an offset such as +02:00."""
    return _OFFSET.fullmatch(name) is not None or name in available_timezones()


def _in_zone(naive: pl.Expr, zone: str) -> pl.Expr:
    offset = _OFFSET.fullmatch(zone)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        east = -minutes if offset[1] == "-" else minutes
        return naive.dt.replace_time_zone("UTC") - pl.duration(minutes=east)
    return naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")


def _iso_with_offset(text: pl.Expr) -> pl.Expr:
    """ISO 8601 with Z or an offset; ``T`` or a space between date and time."""
    normal = text.str.replace(" ", "T", literal=True).str.replace(r"(?i)Z$", "+00:00")
    exact = pl.when(normal.str.contains(r"[+-]\d{2}:?\d{2}$")).then(normal)
    return exact.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)


def _counted(text: pl.Expr) -> pl.Expr:
    """Counted seconds, Unix or Gregorian by magnitude, with an optional fraction."""
    fraction = (pl.lit("0.") + text.str.extract(r"\.(\d{1,6})\d*$", 1)).cast(pl.Float64).fill_null(0.0)
    return instant_of(_whole(text)) + pl.duration(microseconds=(fraction * 1_000_000).round().cast(pl.Int64))


def _whole(text: pl.Expr) -> pl.Expr:
    """The whole part of a count above zero."""
    whole = text.str.extract(r"^(\d{1,18})(?:\.\d+)?$", 1).cast(pl.Int64, strict=False)
    return pl.when(whole > 0).then(whole)
