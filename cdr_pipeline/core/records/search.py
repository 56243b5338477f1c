"""Search conditions of API clients, in terms of the field dictionary. The warehouse translates them to SQL."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal


class Operator(StrEnum):
    """Comparison of a column with a value."""

    EQUALS = "equals"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    WITHIN = "within"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


Value = str | int | bool | date | datetime


@dataclass(frozen=True, slots=True)
class Compare:
    """Holds if the comparison of any of the columns with any of the values holds.

    Attributes:
        columns: names of fields in the field dictionary.
        operator: comparison. ``within`` takes addresses or networks in CIDR notation; ``contains``, ``prefix`` and
            ``suffix`` take plain text.
        values: values to compare with.
    """

    columns: tuple[str, ...]
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds if any of the comparisons holds."""

    parts: tuple[Compare, ...]


@dataclass(frozen=True, slots=True)
class PathEquals:
    """Kazoo's ``filter_KEY``: the text at a path of the detail document is one of the values. A missing key is "".

    Attributes:
        path: keys from the outside in, as ``known_path`` returns them.
        values: accepted texts.
        negated: the text must be none of the values (``filter_not_KEY``).
    """

    path: tuple[str, ...]
    values: tuple[str, ...]
    negated: bool = False


Share = Literal["all", "any", "none"]


@dataclass(frozen=True, slots=True)
class PathIntersects:
    """Kazoo's ``filter_array_intersect_*_KEY``: how many of the values are in the list at a path of the document.

    Attributes:
        path: keys from the outside in, as ``known_path`` returns them.
        values: texts to look for in the list.
        share: the list has all, any or none of the values. A key without a list has no items.
    """

    path: tuple[str, ...]
    values: tuple[str, ...]
    share: Share


Presence = Literal["has_key", "key_missing", "has_value", "value_missing"]


@dataclass(frozen=True, slots=True)
class PathPresence:
    """Kazoo's ``has_key``, ``key_missing``, ``has_value`` and ``missing_value``: existence or value of a path."""

    path: tuple[str, ...]
    presence: Presence


Condition = Compare | AnyOf | PathEquals | PathIntersects | PathPresence
Clock = Literal["saved_at", "started_at"]


@dataclass(frozen=True, slots=True)
class InstantRange:
    """Inclusive range of one clock: the time when the leg was saved (its end), or the time when it started."""

    clock: Clock
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class PageKey:
    """Start of a page: time, record id and origin of its first row."""

    moment: datetime
    record_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Search:
    """A search for legs that satisfy every condition.

    Attributes:
        accounts: ids of the accounts that own the legs.
        conditions: conditions that must all hold.
        span: range of one clock, which is also the sort order. None when a condition limits the search instead, such as
            one on the business date.
        ascending: sort oldest first.
        interactions: return only the first leg of each interaction.
        known_at: leave out records that were loaded after this instant, so that the pages of one listing are
            consistent. None for no limit.
        utc_offset: seconds to add to the column ``datetime``; other columns stay in UTC.
        columns: names of the columns of the list to return; empty for all.
    """

    accounts: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    span: InstantRange | None = None
    ascending: bool = False
    interactions: bool = False
    known_at: datetime | None = None
    utc_offset: int = 0
    columns: tuple[str, ...] = ()

    @property
    def clock(self) -> Clock:
        """The clock that sorts the rows."""
        return "saved_at" if self.span is None else self.span.clock
