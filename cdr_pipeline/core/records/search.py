"""What a client of the API looks for, in the words of the field dictionary; the warehouse puts it into SQL."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal


class Operator(StrEnum):
    """How a column is compared with a value."""

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
    """One of the columns compares with one of the values.

    Attributes:
        columns: names of the dictionary; any of them will do.
        operator: ``within`` takes addresses or networks in CIDR notation, ``contains`` and ``prefix`` plain text.
        values: any of them will do.
    """

    columns: tuple[str, ...]
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of several comparisons holds."""

    parts: tuple[Compare, ...]


@dataclass(frozen=True, slots=True)
class PathEquals:
    """Kazoo's ``filter_KEY``: the text at a path of the detail document is one of the values; missing is "".

    Attributes:
        path: keys from the outside in, checked against ``core.document``.
        values: texts.
        negated: ``filter_not_KEY``.
    """

    path: tuple[str, ...]
    values: tuple[str, ...]
    negated: bool = False


Presence = Literal["has_key", "key_missing", "has_value", "value_missing"]


@dataclass(frozen=True, slots=True)
class PathPresence:
    """Kazoo's ``has_key`` and its kin: whether a path of the document exists, or holds more than nothing."""

    path: tuple[str, ...]
    presence: Presence


Condition = Compare | AnyOf | PathEquals | PathPresence
Clock = Literal["saved_at", "started_at"]


@dataclass(frozen=True, slots=True)
class InstantRange:
    """An inclusive span of a clock: when the leg was saved (it ended), or when it started."""

    clock: Clock
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class PageKey:
    """Where a page begins: its first row's time, id and origin."""

    moment: datetime
    record_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Search:
    """Legs of accounts that satisfy every condition.

    Attributes:
        accounts: whose.
        conditions: all of them hold.
        span: of one clock; also the order. None with another bound, such as the business date.
        ascending: oldest first.
        interactions: only the first leg of each interaction.
        known_at: records that came in later are left out, so that pages of one walk fit together.
        utc_offset: seconds added to the column ``datetime``, and to nothing else.
    """

    accounts: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    span: InstantRange | None = None
    ascending: bool = False
    interactions: bool = False
    known_at: datetime | None = None
    utc_offset: int = 0

    @property
    def clock(self) -> Clock:
        """The clock by which rows are ordered."""
        return "saved_at" if self.span is None else self.span.clock
