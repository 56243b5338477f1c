"""What the columns of a sample hold, by their values."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Final

from cdr_pipeline.sources.uploads.drafting.columns.column_words import DATE, KIND, TIME_OF_DAY, ZONE
from cdr_pipeline.sources.uploads.drafting.columns.known_words import INBOUND, OUTBOUND
from cdr_pipeline.sources.uploads.drafting.columns.roles import LENGTHS, MONEY, NAMES, NUMBERS, TIMES
from cdr_pipeline.sources.uploads.drafting.columns.time_formats import (
    ISO,
    RFC,
    clock_formats,
    date_formats,
    date_time_formats,
    epoch_notation,
    read_times,
)
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet

_INTEGER: Final = re.compile(r"[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")
_MONEY: Final = re.compile(
    r"[+-]?\(?\s*(?:US\$|R\$|[$€£¥₹]|[A-Z]{3})?\s*[+-]?[0-9]{1,3}(?:[,.' ]?[0-9]{3})*(?:[.,][0-9]{1,8})?"
    r"\s*(?:[$€£¥₹]|zł|[A-Z]{3})?\)?-?"
)
CLOCK_2: Final = re.compile(r"[0-9]{1,4}:[0-5]?[0-9]")
CLOCK_3: Final = re.compile(r"(?:[0-9]{1,4}\.)?[0-9]{1,4}:[0-5]?[0-9]:[0-5][0-9](?:\.[0-9]+)?")
LENGTH_TEXT: Final = re.compile(
    r"(?i)P?T?(?=.*[0-9])(?:[0-9]+\s*d\w*\s*)?(?:T?[0-9]+\s*(?:h|hrs?|hours?|std)\.?\s*)?(?:[0-9]+\s*(?:m|mins?|minutes?)\.?\s*)?"
    r"(?:[0-9.]+\s*(?:s|secs?|seconds?|sek)\.?)?|(?:[0-9]+:)?[0-9]+'[0-9]{2}(?:''|\")?"
)
# An amount or a length, not a telephone number. The epoch of an id has more digits.
FRACTION: Final = re.compile(r"[+-]?[0-9]{1,8}[.,][0-9]{1,8}")
_PHONE: Final = re.compile(r"(?:<?sips?:|tel:)?\+?[0-9*#(][0-9 ().\-/*#]{1,22}[0-9*#](?:[@;>].*)?|[0-9]{1,4}")
_URI: Final = re.compile(r"<?(?:sips?|tel):[^ ]+")
_WITHHELD: Final = re.compile(r"(?i)anonymous|unknown|restricted|private|withheld|unavailable|blocked|<I>.*|s")
_ZONE_TEXT: Final = re.compile(r"[A-Z]{2,5}|[+-][0-9]{2}:?[0-9]{2}|[A-Z][a-z]+/[A-Z][A-Za-z_]+")
_FEW_WORDS: Final = 12
_MOST_SECONDS: Final = 172_800
MOSTLY = 0.6


class Contents:
    """What one column holds. Everything is computed from its values when it is first asked for."""

    def __init__(self, values: Sequence[str]) -> None:
        self.values = list(values)
        self.filled = [value for value in values if value]
        self.distinct = list(dict.fromkeys(self.filled))

    @cached_property
    def moments(self) -> list[str]:
        """Values without zeros, which mean "no time" in columns of epochs."""
        return [value for value in self.distinct if value.strip("0")]

    @cached_property
    def epoch(self) -> str:
        """Notation of counted times; "" if the column has none."""
        return epoch_notation(self.moments)

    @cached_property
    def iso(self) -> bool:
        """Whether all values are ISO 8601 with an offset."""
        return bool(self.filled) and all(ISO.fullmatch(value) for value in self.distinct)

    @cached_property
    def rfc(self) -> bool:
        """Whether all values are times of RFC 2822."""
        return bool(self.filled) and all(RFC.fullmatch(value) for value in self.distinct)

    @cached_property
    def date_times(self) -> tuple[str, ...]:
        """Formats of date and time."""
        return () if self.iso or self.epoch else date_time_formats(self.distinct)

    @cached_property
    def dates(self) -> tuple[str, ...]:
        """Formats of a date alone."""
        return () if self.date_times else date_formats(self.distinct)

    @cached_property
    def clocks(self) -> tuple[str, ...]:
        """Formats of a time of day alone."""
        return (
            ()
            if not all(":" in value or "." in value or len(value) in (4, 6) for value in self.distinct)
            else clock_formats(self.distinct)
        )

    @cached_property
    def clock_minutes(self) -> list[int]:
        """Minutes of the day of a column of times of day, to compare columns; none for other columns."""
        if not self.clocks:
            return []
        read = read_times([f"2026-11-25 {value}" for value in self.filled], "", [f"%Y-%m-%d {self.clocks[0]}"])
        return [moment.hour * 60 + moment.minute for moment in read if moment]

    @property
    def is_time(self) -> bool:
        """Whether the column holds instants."""
        return bool(self.filled) and bool(self.epoch or self.iso or self.rfc or self.date_times)

    @cached_property
    def is_count(self) -> bool:
        """Whether all values are whole numbers that a duration in seconds may have."""
        return bool(self.filled) and all(
            _INTEGER.fullmatch(value) and int(value) <= _MOST_SECONDS for value in self.distinct
        )

    @cached_property
    def is_written_length(self) -> bool:
        """Whether all values are durations that state their units, such as 2m56s or 0:02:56."""
        return (
            bool(self.filled)
            and not self.is_time
            and not self.is_count
            and (
                all(CLOCK_3.fullmatch(value) for value in self.distinct)
                or all(LENGTH_TEXT.fullmatch(value) and not value.isdecimal() for value in self.distinct)
            )
        )

    @cached_property
    def is_length(self) -> bool:
        """Whether all values may be durations."""
        return (
            bool(self.filled)
            and not self.is_time
            and (
                all(_DECIMAL.fullmatch(value) and not value.startswith("+") for value in self.distinct)
                or all(CLOCK_2.fullmatch(value) or CLOCK_3.fullmatch(value) for value in self.distinct)
                or all(LENGTH_TEXT.fullmatch(value) or CLOCK_3.fullmatch(value) for value in self.distinct)
            )
        )

    @cached_property
    def is_money(self) -> bool:
        """Whether all values may be amounts."""
        return bool(self.filled) and not self.is_time and all(_MONEY.fullmatch(value) for value in self.distinct)

    @cached_property
    def phones(self) -> float:
        """Share of the values that look like telephone numbers, extensions or addresses of phones."""
        if not self.filled or self.is_time:
            return 0.0
        return sum(
            bool(
                (_PHONE.fullmatch(value) and not FRACTION.fullmatch(value))
                or _URI.fullmatch(value)
                or _WITHHELD.fullmatch(value)
            )
            for value in self.filled
        ) / len(self.filled)

    @cached_property
    def words(self) -> Counter[str]:
        """Words with their number of rows, if the column has few different ones; else nothing."""
        few = len(self.distinct) <= _FEW_WORDS and all(any(map(str.isalpha, value)) for value in self.distinct)
        return Counter(self.filled) if few else Counter()

    @cached_property
    def is_identity(self) -> bool:
        """Whether every row has a value and no two have the same."""
        return len(self.distinct) == len(self.values)

    @cached_property
    def counts_rows(self) -> bool:
        """Whether the column numbers the rows, from 0 or 1."""
        return any(self.values == [str(row + first) for row in range(len(self.values))] for first in (0, 1))

    def times(self) -> list[datetime | None]:
        """Values read as times without a zone."""
        return read_times(self.values, self.epoch, self.date_times)

    def fits(self, role: str) -> float:  # noqa: C901, PLR0911, PLR0912 - one case for each kind of role
        """How well the values fit a role, from 0 (not at all) to 1."""
        if not self.filled:
            return 0.0 if role in (DATE, TIME_OF_DAY, ZONE, KIND, "started_at") else 0.2
        if role in TIMES:
            return float(self.is_time)
        if role == DATE:
            return float(bool(self.dates))
        if role == TIME_OF_DAY:
            return float(bool(self.clocks))
        if role in LENGTHS:
            return float(self.is_length)
        if role in NUMBERS:
            return (
                self.phones
                if self.phones >= MOSTLY and not self.date_times
                else (0.3 if not self.is_time and not self.words else 0.1 * (not self.is_time))
            )
        if role in MONEY:
            return float(self.is_money)
        if role == "cost_currency":
            return float(all(re.fullmatch(r"[A-Za-z]{3}", value) for value in self.distinct))
        if role == ZONE:
            return float(all(_ZONE_TEXT.fullmatch(value) for value in self.distinct))
        if role == "call_direction":
            known = sum(value.lower() in INBOUND | OUTBOUND for value in self.distinct)
            return known / len(self.distinct) if self.words else 0.0
        if role == KIND:
            return float(bool(self.words))
        if role == "call_id":
            return 1.0 if self.is_identity else 0.6 * (not self.words and not self.is_time)
        if role in NAMES:
            return 0.0 if self.is_time else 1.0
        if role in ("hangup_cause", "interaction_id") and self.epoch:
            # Codes of vendors may be as large as an epoch, and ids of Asterisk begin with one.
            return 0.5
        return 0.0 if self.is_time else 0.8


def contents_of(sheet: Sheet) -> dict[str, Contents]:
    """Contents of every column."""
    return {name: Contents(values) for name, values in sheet.columns.items()}
