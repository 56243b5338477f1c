"""Converts texts of amounts and durations to exact numbers. A text in another notation becomes null."""

import re
from decimal import Decimal
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import Kind
from cdr_pipeline.core.uploads.profile import DurationUnit, Profile

_DURATION_TYPE: Final = pl.Decimal(24, 6)
_EXACT: Final = pl.Decimal(38, 6)
_SECONDS: Final = {"centiseconds": Decimal("0.01"), "milliseconds": Decimal("0.001"), "minutes": Decimal(60)}
# [[days.]hours:]minutes:seconds, where days need hours.
_CLOCK: Final = r"^(?:(?:([0-9]{1,4})\.)?([0-9]{1,4}):)?([0-5]?[0-9]):([0-5][0-9](?:\.[0-9]{1,6})?)$"
_HOURS_MINUTES_TENTHS: Final = r"^([0-9]{1,2})([0-5][0-9])([0-9])$"
_HOURS_MINUTES: Final = r"^([0-9]{1,4}):([0-5][0-9])$"
# Three colons or a prime leave no doubt about the units. Two parts joined by a colon do, so they are not read as text.
_FULL_CLOCK: Final = r"^(?:([0-9]{1,4})\.)?([0-9]{1,4}):([0-5]?[0-9]):([0-5][0-9](?:\.[0-9]{1,6})?)$"
_PRIMES: Final = r"^(?:([0-9]{1,4}):)?([0-9]{1,4})'([0-5][0-9])(?:''|\")?$"
_WORDS: Final = (
    r"(?i)^(?:P(?:([0-9]{1,4})D)?T?)?(?:([0-9]{1,4})[ ]*(?:h|hrs?|hours?|std)\.?)?[ ,]*"
    r"(?:([0-9]{1,6})[ ]*(?:m|mins?|minutes?)\.?)?[ ,]*"
    r"(?:([0-9]{1,8}(?:\.[0-9]{1,6})?)[ ]*(?:s|secs?|seconds?|sek)\.?)?$"
)


def number_text(name: str, profile: Profile) -> pl.Expr:
    """Text of a number with a decimal point and no thousands separators; null when the notation is another one."""
    text = pl.col(name).str.strip_chars()
    if profile.decimal_mark == ".":
        return text
    valid = pl.when(text.str.contains(r"^[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?$")).then(text)
    return valid.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)


def money_text(name: str, profile: Profile) -> pl.Expr:
    """Text of an amount with a decimal point: without currency marks and thousands marks, (0.50) and 0.50- as -0.50."""
    text = pl.col(name).str.strip_chars()
    text = text.map_batches(_with_minus, return_dtype=pl.String, is_elementwise=True)
    for mark in map(re.escape, profile.currency_marks):
        text = text.str.replace(rf"^([+-]?)\s*{mark}\s*([+-]?)", "$1$2").str.replace(rf"\s*{mark}$", "")
    if profile.thousands_mark:
        mark, point = rf"[{profile.thousands_mark}]", rf"[{profile.decimal_mark}]"
        grouped = text.str.contains(rf"^[+-]?\d{{1,3}}(?:{mark}\d{{3}})+(?:{point}\d+)?$")
        text = pl.when(grouped).then(text.str.replace_all(profile.thousands_mark, "", literal=True)).otherwise(text)
    if profile.decimal_mark == ".":
        return text
    valid = pl.when(text.str.contains(r"^[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?$")).then(text)
    return valid.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)


def _with_minus(texts: pl.Series) -> pl.Series:
    """Negative amounts of accounting with a minus before them. Few files have any, so they are looked for first."""
    if not texts.str.contains(r"^\(|-$").any():
        return texts
    return texts.str.replace(r"^\((.*)\)$", "-$1").str.replace(r"^([^-+].*)-$", "-$1")


def duration(name: str, profile: Profile) -> pl.Expr:
    """Seconds of a duration in the unit of its field."""
    unit = profile.duration_units.get(name, profile.duration_unit)
    value = _by_unit(unit, name, profile)
    return value.cast(Kind.SECONDS.dtype, strict=False).alias(name)


def _by_unit(unit: DurationUnit, name: str, profile: Profile) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    # A text with more digits is not a duration in any unit. Its product could overflow, and the whole file would fail.
    number = number_text(name, profile).cast(_DURATION_TYPE, strict=False).cast(_EXACT)
    match unit:
        case "seconds":
            return number
        case "centiseconds" | "milliseconds" | "minutes":
            return number * pl.lit(_SECONDS[unit], _EXACT)
        case "hh:mm:ss":
            return _clock(text, _CLOCK)
        case "hh:mm":
            hours, minutes = _groups(text, _HOURS_MINUTES, 2)
            return (hours * 60 + minutes) * 60
        case "hmmt":
            hours, minutes, tenths = _groups(text, _HOURS_MINUTES_TENTHS, 3)
            return (hours * 60 + minutes) * 60 + tenths * 6
        case "text":
            prime_hours, prime_minutes, prime_seconds = _groups(text, _PRIMES, 3)
            primes = (prime_hours.fill_null(0) * 60 + prime_minutes) * 60 + prime_seconds
            days, hours, minutes, seconds = _groups(text, _WORDS, 4)
            words = ((days.fill_null(0) * 24 + hours.fill_null(0)) * 60 + minutes.fill_null(0)) * 60
            words = words + seconds.fill_null(0)
            any_word = days.is_not_null() | hours.is_not_null() | minutes.is_not_null() | seconds.is_not_null()
            return pl.coalesce(_clock(text, _FULL_CLOCK), primes, pl.when(any_word).then(words))


def _clock(text: pl.Expr, pattern: str) -> pl.Expr:
    days, hours, minutes, seconds = _groups(text, pattern, 4)
    return ((days.fill_null(0) * 24 + hours.fill_null(0)) * 60 + minutes) * 60 + seconds


def _groups(text: pl.Expr, pattern: str, number: int) -> list[pl.Expr]:
    parts = text.str.extract_groups(pattern)
    return [parts.struct.field(str(index)).cast(_EXACT, strict=False) for index in range(1, number + 1)]
