"""How one source speaks: an import profile. Pure data; ``sources.uploads.profiles`` reads them from TOML files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cdr_pipeline.core.carrier_rules import CarrierRules
from cdr_pipeline.core.numbers import NumberPlan
from cdr_pipeline.core.schemas import LINE, RAW

ACCOUNT_ZONE = "account"
TimeNotation = Literal[
    "local", "iso8601", "rfc2822", "epoch_seconds", "epoch_milliseconds", "gregorian_seconds", "any"
]  # fmt: skip
DurationUnit = Literal["seconds", "milliseconds", "minutes", "hh:mm:ss"]


def column_name(source: str) -> str:
    """A source column's name in frames and profiles: lower case, and never one that we use beside the source's."""
    name = source.strip().lower()
    return f"source_{name}" if name in (LINE, RAW) or name.startswith("__") else name


@dataclass(frozen=True, slots=True)
class Layout:
    """The text of a file.

    Attributes:
        format: delimited text, fixed-width text, or JSON (a document, a list, an envelope with ``data``, or one
            document a line).
        delimiter: one character.
        quoted: whether ``"`` quotes fields.
        header: whether the first line names the columns.
        type_rows: how many lines after the header may state types; a line that states none is a record.
        columns: without a header, the columns in order; one list for each number of fields that occurs.
        nulls: texts that mean "nothing" beside the empty one.
        encoding: of files that have no byte order mark.
        skip_space: spaces after a delimiter belong to nobody (FreeSWITCH's template "snom").
        escape: character before a delimiter that belongs to the value (Broadsoft), "" for none.
        unwrap: regular expression whose first group is the row within its line (an SQL INSERT), "" for none.
        widths: of fixed-width text, column to first character (from 1) and number of characters.
        preamble: lines before the header that are titles.
        skip: regular expressions of lines that are records of another type.
        footer: regular expressions of lines that state totals or the end.
        repair: columns whose values may hold the delimiter unquoted; a row that is too wide is mended where only one of
            them can have it (CSV of Kazoo 3.x).
        required: columns that the header must name: a file without them is refused, for they may have been renamed.
        more_columns: a row may have further fields than ``columns`` names; they are kept together as column ``more``.
        shapes: column to the regular expression that its values match; tells which mending is right.
    """

    format: Literal["delimited", "fixed", "json"] = "delimited"
    delimiter: str = ","
    quoted: bool = True
    header: bool = True
    type_rows: int = 0
    columns: tuple[tuple[str, ...], ...] = ()
    nulls: tuple[str, ...] = ()
    encoding: str = "utf-8"
    skip_space: bool = False
    escape: str = ""
    unwrap: str = ""
    widths: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    preamble: int = 0
    skip: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()
    repair: tuple[str, ...] = ()
    shapes: Mapping[str, str] = field(default_factory=dict[str, str])
    required: tuple[str, ...] = ()
    more_columns: bool = False


@dataclass(frozen=True, slots=True)
class Segments:
    """How a source spreads one call over several rows.

    Attributes:
        key: columns that all rows of a call share.
        continued: column that says whether more rows follow.
        more: its value when they do.
        sums: columns that are added up over a call's rows.
        last: columns that the last row has right; all others are the first row's.
    """

    key: tuple[str, ...] = ()
    continued: str = ""
    more: str = "1"
    sums: tuple[str, ...] = ()
    last: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Control:
    """What a file says about itself, and what its name says about its place in a series.

    Attributes:
        line: regular expression of the header or trailer line with totals; its groups ``rows``, ``seconds`` and
            ``cost`` are compared with the file's records, "" for none.
        name: regular expression of the file's name with groups ``date`` (year, month, day as eight digits) and
            ``sequence``, "" for none.
        every: "day" when a file is expected for every day, "" when nothing is.
        grace_days: days after its date until which a file is on time.
    """

    line: str = ""
    name: str = ""
    every: Literal["", "day"] = ""
    grace_days: int = 1


@dataclass(frozen=True, slots=True)
class Rating:
    """How the source bills, for those who compare; seconds.

    Attributes:
        increment_seconds: calls are billed in steps of so many seconds, 0 when unknown.
        minimum_seconds: and at least so many.
    """

    increment_seconds: int = 0
    minimum_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """One source's files.

    Attributes:
        name: how people ask for it.
        description: which system writes such files.
        layout: the text.
        fields: canonical field to the source columns that may hold it; the first that has a value wins.
        constants: canonical field to the value that all records have.
        native_id: source columns that together identify a record; empty when a file has no identity of its own.
        time_notation: how times are written; ``any`` is ISO 8601 or epoch seconds, told apart by their form.
        time_formats: strptime formats of local times, tried in order.
        time_zone: IANA zone of local times; ``account`` for the account's own.
        zero_is_no_time: a time of 0 means "did not happen".
        duration_unit: of durations.
        duration_units: canonical field to its own unit, where it differs (Avaya counts ringing in seconds).
        currency: ISO 4217 code of money, empty when the file has none or names it itself.
        cost_scale: decimal places by which cost is shifted: 4 for Kazoo's 1/10000.
        plan: how numbers are written.
        values: canonical field to a mapping of the source's words to the canonical ones, compared in lower case.
        combine: new column to the source columns that make it, joined by a space (a date and a time of day).
        zone_column: column with the zone of each row's times: IANA name, offset, or a key of ``zones``.
        zones: abbreviations in that column to IANA names or offsets.
        zone_notation: of that column: names, or minutes west of Greenwich (Sansay).
        charges_are_negative: what is charged is written below zero (Twilio).
        time_precision: of the source's clock, for those who match.
        decimal_mark: of money and durations.
        account_column: column that names the account; a row of another one is rejected.
        account_names: the source's names of accounts to ours.
        overlap: whether a file that repeats records of another file waits for a person (hold) or not (merge).
        segments: how a call is spread over several rows, if it is.
        control: totals, names and series.
        rating: increments.
        reconcile: how its records are compared with the switch's.
    """

    name: str
    description: str
    layout: Layout = field(default_factory=Layout)
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    constants: Mapping[str, str] = field(default_factory=dict[str, str])
    native_id: tuple[str, ...] = ()
    time_notation: TimeNotation = "local"
    time_formats: tuple[str, ...] = ("%Y-%m-%d %H:%M:%S",)
    time_zone: str = ACCOUNT_ZONE
    zero_is_no_time: bool = False
    duration_unit: DurationUnit = "seconds"
    duration_units: Mapping[str, DurationUnit] = field(default_factory=dict[str, DurationUnit])
    currency: str = ""
    cost_scale: int = 0
    plan: NumberPlan = field(default_factory=NumberPlan)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    combine: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    zone_column: str = ""
    zones: Mapping[str, str] = field(default_factory=dict[str, str])
    zone_notation: Literal["name", "minutes_west"] = "name"
    charges_are_negative: bool = False
    time_precision: Literal["minute", "second", "millisecond", "microsecond"] = "second"
    decimal_mark: Literal[".", ","] = "."
    account_column: str = ""
    account_names: Mapping[str, str] = field(default_factory=dict[str, str])
    overlap: Literal["hold", "merge"] = "hold"
    segments: Segments = field(default_factory=Segments)
    control: Control = field(default_factory=Control)
    rating: Rating = field(default_factory=Rating)
    reconcile: CarrierRules = field(default_factory=CarrierRules)
