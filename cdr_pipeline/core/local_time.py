"""Times as files write them, to instants in UTC. What does not name one instant exactly is refused, never guessed."""

from collections.abc import Sequence

import polars as pl

from cdr_pipeline.core.profile import TimeNotation
from cdr_pipeline.core.timestamps import instant_of

_UTC = pl.Datetime("us", "UTC")


def instant(text: pl.Expr, notation: TimeNotation, formats: Sequence[str], zone: str) -> pl.Expr:
    """Instant of a text.

    Args:
        text: as delivered; null stays null.
        notation: how it is written.
        formats: of local times, tried in order.
        zone: IANA zone of local times, and of ISO 8601 times without an offset.

    Returns:
        ``Datetime("us", "UTC")``; null where the text is not a time, or names none or two on a day of clock change.
    """
    trimmed = text.str.strip_chars()
    match notation:
        case "local":
            return _in_zone(_naive(trimmed, formats), zone)
        case "iso8601":
            exact = _iso_with_offset(trimmed)
            return pl.coalesce(exact, _in_zone(_naive(trimmed, _ISO_LOCAL), zone))
        case "epoch_seconds" | "gregorian_seconds":
            return _counted(trimmed)
        case "epoch_milliseconds":
            return pl.from_epoch(_whole(trimmed), time_unit="ms").cast(_UTC)
        case "any":
            return pl.coalesce(instant(text, "iso8601", formats, zone), _counted(trimmed))


def is_time(text: pl.Expr, notation: TimeNotation, formats: Sequence[str]) -> pl.Expr:
    """Whether the text is a time at all, leaving aside whether the zone's clocks ever showed it."""
    trimmed = text.str.strip_chars()
    if notation == "local":
        return _naive(trimmed, formats).is_not_null()
    if notation in ("iso8601", "any"):
        iso = _iso_with_offset(trimmed).is_not_null() | _naive(trimmed, _ISO_LOCAL).is_not_null()
        return iso | _counted(trimmed).is_not_null() if notation == "any" else iso
    return instant(text, notation, formats, "UTC").is_not_null()


_ISO_LOCAL = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")


def _naive(text: pl.Expr, formats: Sequence[str]) -> pl.Expr:
    return pl.coalesce(text.str.to_datetime(layout, time_unit="us", strict=False, exact=True) for layout in formats)


def _in_zone(naive: pl.Expr, zone: str) -> pl.Expr:
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
