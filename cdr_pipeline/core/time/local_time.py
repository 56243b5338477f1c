"""Converts times in files to instants in UTC.

A text that names no instant is refused. A local time that exists twice, because clocks change, is read by its place in
the file: times run on, so the second hour begins where they fall back. A single record has no order and is refused.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
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
_WHOLE_COUNT: Final = r"^[0-9]{1,18}$"
# Plausible call times: a year such as 0026 or 20260 is an error in the file.
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2150, 1, 1, tzinfo=UTC)
_TOO_MANY_MILLISECONDS: Final = 10**14
_HALF_AN_HOUR: Final = 1_800
_HALF: Final = 0.5
# A time for which no two parts of a format are equal.
_EXAMPLE: Final = datetime(2026, 11, 25, 13, 5, 9)  # noqa: DTZ001 - a local time
Parser = Callable[[pl.Series], pl.Series]


def instant(text: pl.Expr, notation: TimeNotation, formats: Sequence[str], zone: str) -> pl.Expr:
    """Converts texts to instants.

    Args:
        text: text as delivered; null stays null.
        notation: notation of the times.
        formats: strptime formats of local times, tried in order.
        zone: IANA zone or offset of local times, and of ISO 8601 times without an offset.

    Returns:
        ``Datetime("us", "UTC")``; null when the text is not a time, when it names no instant, or two without an order
        of records that decides, because clocks change, and when it is outside the years 1990 to 2149.
    """
    return text.map_batches(lambda texts: _instants(texts, notation, formats, zone), return_dtype=_INSTANT)


def is_time(text: pl.Expr, notation: TimeNotation, formats: Sequence[str]) -> pl.Expr:
    """Whether the text is a plausible time, even if it does not exist in the zone because clocks change."""
    return instant(text, notation, formats, "UTC").is_not_null()


def rival_formats(formats: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Formats that have a counterpart with day and month swapped: first those with the day first, then the others."""
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
    """Whether the notation counts seconds or milliseconds and the text is a count, of a plausible time or not."""
    if notation in ("local", "iso8601", "rfc2822"):
        return pl.lit(value=False)
    return text.str.strip_chars().str.contains(_COUNT)


def is_time_format(layout: str) -> bool:
    """Whether a format names a whole date and reads the times that it writes."""
    try:
        written = pl.Series([_EXAMPLE]).dt.strftime(layout)
        read = written.str.to_datetime(layout, time_unit="us", strict=False, exact=True)
    except pl.exceptions.PolarsError:
        return False
    (instant,) = read.to_list()
    return instant is not None and instant.date() == _EXAMPLE.date()


@cache
def zone_names() -> frozenset[str]:
    """Names of all IANA zones. Python searches folders for them at every call, which takes 40 ms."""
    return frozenset(available_timezones())


def is_zone(name: str) -> bool:
    """Whether a name is an IANA zone or an offset such as +02:00."""
    return _OFFSET.fullmatch(name) is not None or name in zone_names()


def _instants(texts: pl.Series, notation: TimeNotation, formats: Sequence[str], zone: str) -> pl.Series:
    if texts.null_count() == len(texts):
        return pl.Series(texts.name, [None], _INSTANT).new_from_index(0, len(texts))
    instants = _parse(texts.str.strip_chars(), notation, formats, zone)
    return instants.to_frame("t").select(
        pl.when(pl.col("t").is_between(_EARLIEST, _LATEST, closed="left")).then("t").alias(texts.name)
    ).to_series()  # fmt: skip


def _parse(texts: pl.Series, notation: TimeNotation, formats: Sequence[str], zone: str) -> pl.Series:
    match notation:
        case "local":
            return _in_zone(_naive(texts, formats), zone)
        case "iso8601":
            return _by_form(texts, _iso_parsers(zone), lambda rest: _iso(rest, zone))
        case "rfc2822":
            normal = texts.str.replace(r"(?:GMT|UTC|Z)$", "+0000")
            return normal.str.to_datetime("%a, %d %b %Y %H:%M:%S %z", time_unit="us", time_zone="UTC", strict=False)
        case "epoch_seconds" | "gregorian_seconds":
            return _from_count(texts)
        case "epoch_milliseconds":
            milliseconds = _integer_part(pl.col("t"))
            possible = pl.when(milliseconds < _TOO_MANY_MILLISECONDS).then(milliseconds)
            return texts.to_frame("t").select(pl.from_epoch(possible, time_unit="ms").cast(_INSTANT)).to_series()
        case "any":
            parsers = {**_iso_parsers(zone), _COUNT: _from_count}
            return _by_form(
                texts, parsers, lambda rest: _first(_iso(rest, zone), _in_zone(_naive(rest, formats), zone))
            )


def _by_form(texts: pl.Series, parsers: Mapping[str, Parser], parse_rest: Parser) -> pl.Series:
    """Parses each text with the parser of the first pattern that it matches. Most files have one form, a fast one."""
    first, parse_first = next(iter(parsers.items()))
    if texts.str.contains(first).all():
        return parse_first(texts)
    instants = pl.Series("t", [None], _INSTANT).new_from_index(0, len(texts))
    unread = texts.is_not_null().arg_true()
    for pattern, parse in (*parsers.items(), ("", parse_rest)):
        rest = texts.gather(unread)
        matches = rest.str.contains(pattern)
        if matches.all() and len(rest) == len(texts):
            return parse(texts)
        if matches.any():
            instants = instants.scatter(unread.filter(matches), parse(rest.filter(matches)))
            unread = unread.filter(~matches)
    return instants


def _iso_parsers(zone: str) -> dict[str, Parser]:
    """Parsers of the two forms of ISO 8601 in nearly all files, which have neither fractions nor other offsets."""
    return {
        _ISO_ZULU: lambda texts: _seconds_of(texts.str.head(19)).dt.replace_time_zone("UTC"),
        _ISO_PLAIN: lambda texts: _in_zone(_seconds_of(texts), zone),
    }


def _seconds_of(texts: pl.Series) -> pl.Series:
    times = _with_t(texts)
    # Most files separate date and time with T.
    if times.null_count() > texts.null_count():
        times = _with_t(texts.str.replace(" ", "T", literal=True))
    return times


def _with_t(texts: pl.Series) -> pl.Series:
    return texts.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False, exact=True)


def _iso(texts: pl.Series, zone: str) -> pl.Series:
    """ISO 8601 with Z or an offset, else a local time; ``T`` or a space between date and time."""
    normal = texts.str.replace(" ", "T", literal=True).str.replace(r"(?i)Z$", "+00:00")
    exact = normal.set(~normal.str.contains(r"[+-]\d{2}:?\d{2}$"), None)  # type: ignore[arg-type]
    with_offset = exact.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    return _first(with_offset, _in_zone(_naive(texts, _ISO_LOCAL), zone))


def _first(one: pl.Series, other: pl.Series) -> pl.Series:
    return one.zip_with(one.is_not_null(), other)


def _naive(texts: pl.Series, formats: Sequence[str]) -> pl.Series:
    """Local times by the first format that matches."""
    times = pl.Series("t", [None], pl.Datetime("us")).new_from_index(0, len(texts))
    unread = texts.is_not_null().arg_true()
    for layout in formats:
        parsed = texts.gather(unread).str.to_datetime(layout, time_unit="us", strict=False, exact=True)
        if parsed.null_count() == 0 and len(parsed) == len(texts):
            return parsed
        times = times.scatter(unread.filter(parsed.is_not_null()), parsed.drop_nulls())
        unread = unread.filter(parsed.is_null())
    return times


def _in_zone(naive: pl.Series, zone: str) -> pl.Series:
    offset = _OFFSET.fullmatch(zone)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        east = -minutes if offset[1] == "-" else minutes
        return naive.dt.replace_time_zone("UTC").dt.offset_by(f"{-east}m")
    exact = naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    if exact.null_count() == naive.null_count() or len(naive) == 1:
        return exact
    unread = (exact.is_null() & naive.is_not_null()).arg_true()
    times = naive.gather(unread)
    first, second = (
        times.dt.replace_time_zone(zone, ambiguous=reading, non_existent="null").dt.convert_time_zone("UTC")
        for reading in ("earliest", "latest")
    )
    return exact.scatter(unread, second.zip_with(_is_repetition(naive, times), first))


def _is_repetition(every: pl.Series, repeated: pl.Series) -> pl.Series:
    """Whether each time of a repeated hour belongs to its second pass, by the one place where the times fall back.

    Without such a place, or with several, the order proves nothing and the first pass is taken.
    """
    steps = every.drop_nulls().diff().drop_nulls().dt.total_seconds()
    runs_backwards = (steps < 0).sum() > _HALF * len(steps)
    jumps = repeated.diff().dt.total_seconds().fill_null(0)
    places = jumps >= _HALF_AN_HOUR if runs_backwards else jumps <= -_HALF_AN_HOUR
    if places.sum() != 1:
        return pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(repeated))
    after = places.cast(pl.Int32).cum_sum() > 0
    return ~after if runs_backwards else after


def _from_count(texts: pl.Series) -> pl.Series:
    """Instants of counted seconds with an optional fraction. The magnitude tells Unix from Gregorian seconds."""
    text = pl.col("t")
    if texts.str.contains(_WHOLE_COUNT).all():
        counts = text.cast(pl.Int64)
        return texts.to_frame("t").select(instant_of(pl.when(counts > 0).then(counts)).cast(_INSTANT)).to_series()
    fraction = (pl.lit("0.") + text.str.extract(r"\.(\d{1,6})\d*$", 1)).cast(pl.Float64).fill_null(0.0)
    result = instant_of(_integer_part(text)) + pl.duration(microseconds=(fraction * 1_000_000).round().cast(pl.Int64))
    return texts.to_frame("t").select(result).to_series()


def _integer_part(text: pl.Expr) -> pl.Expr:
    """The integer part of a count; null when it is zero."""
    integer = text.str.extract(r"^(\d{1,18})(?:\.\d+)?$", 1).cast(pl.Int64, strict=False)
    return pl.when(integer > 0).then(integer)
