"""Import profiles: the format of each source's files. Only data; ``sources.uploads.profiles`` reads them from TOML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import ConfigDict

from cdr_pipeline.core.normalize.causes import CauseCodes
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules
from cdr_pipeline.core.uploads.derived import Derived
from cdr_pipeline.core.uploads.profile_values import (
    STRICT,
    ColumnLists,
    ColumnName,
    Columns,
    FieldName,
    NewColumns,
    Patterns,
    Position,
    Texts,
    Words,
)

ACCOUNT_ZONE = "account"
# Column that derived columns may name as a source: the name of the file.
FILE_NAME = "file_name"
TimeNotation = Literal[
    "local", "iso8601", "rfc2822", "epoch_seconds", "epoch_milliseconds", "gregorian_seconds", "any"
]  # fmt: skip
DurationUnit = Literal["seconds", "centiseconds", "milliseconds", "minutes", "hh:mm:ss", "hh:mm", "hmmt", "text"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Text format of a file.

    Attributes:
        format: delimited text, fixed-width text, JSON (a document, a list, an envelope with ``data``, or one document a
            line), or XML. Columns of nested JSON and XML are paths such as ``variables.uuid`` or ``legs.0.number``. An
            Excel workbook (xlsx, xls) is delimited text: the rows of its first sheet with commas.
        records: path to the list of records within a JSON document, "" for the document itself or its ``data``; path
            to the element of a record in XML, such as ``broadworkscdr.cdrdata``.
        percent_encoded: values of XML are percent-encoded, such as %40 for @ (FreeSWITCH).
        delimiter: one character.
        quoted: whether ``"`` quotes fields.
        header: whether the first line names the columns.
        number_names: number the names that the header repeats: number, number 2. Without it such a file is refused.
        type_rows: number of lines after the header that may contain column types; a line without types is a record.
        columns: without a header, the columns in order; one list for each number of fields that occurs.
        nulls: texts that mean "no value" in addition to the empty text.
        encoding: of files that have no byte order mark.
        squeeze: several delimiters in a row are one, as in text whose columns are separated by runs of blanks.
        skip_space: ignore spaces after a delimiter (FreeSWITCH's template "snom").
        escape: character that escapes a delimiter within a value (Broadsoft), "" for none.
        unwrap: regular expression whose first group is the row within its line (an SQL INSERT), "" for none.
        doubled: quotes within the row that ``unwrap`` takes are doubled, because the line is one quoted value.
        widths: of fixed-width text, column to first character (from 1) and number of characters.
        shortest: of fixed-width text, fewest characters of a line; 0 for lines that reach the last column.
        preamble: lines before the header that are titles.
        skip: regular expressions of lines that are not call records.
        footer: regular expressions of lines that state totals or the end.
        repair: columns whose values may contain the delimiter unquoted; a row that is too wide is repaired if only one
            of them can contain it (CSV of Kazoo 3.x).
        required: columns that the header must contain; a file without them is refused.
        excluded: keys of JSON that no record of this source has, because they belong to another form; a file that has
            one is refused.
        more_columns: a row may have more fields than ``columns``; they are kept together as column ``more``.
        shapes: column to the regular expression that its values match; decides between possible repairs.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    format: Literal["delimited", "fixed", "json", "xml"] = "delimited"
    records: str = ""
    percent_encoded: bool = False
    delimiter: str = ","
    quoted: bool = True
    header: bool = True
    number_names: bool = False
    type_rows: int = 0
    columns: ColumnLists = ()
    nulls: Texts = ()
    encoding: str = "utf-8"
    squeeze: bool = False
    skip_space: bool = False
    escape: str = ""
    unwrap: str = ""
    doubled: bool = False
    widths: Mapping[ColumnName, Position] = field(default_factory=dict[str, tuple[int, int]])
    shortest: int = 0
    preamble: int = 0
    skip: Texts = ()
    footer: Texts = ()
    repair: Columns = ()
    shapes: Mapping[ColumnName, str] = field(default_factory=dict[str, str])
    required: Columns = ()
    excluded: Columns = ()
    more_columns: bool = False


@dataclass(frozen=True, slots=True)
class Segments:
    """How a source splits one call into several rows.

    Rows are either continued (``continued``), or they begin, answer and end a call (``begin``, ``end``).

    Attributes:
        key: columns that all rows of a call share, in one file or in two files of the same profile within 31 days.
        continued: column that states whether more rows of the call follow.
        more: value of that column when more rows follow.
        sums: columns that are summed over the rows of a call.
        last: columns whose value comes from the last row; all others come from the first.
        begin: of rows that begin a call, column to the regular expression that its value matches.
        answer: of rows that answer a call, as ``begin``.
        end: of rows that end a call, as ``begin``; a call without such a row is rejected until a file delivers it.
        alone: of rows that begin a call and are all of it, such as a failed attempt, as ``begin``.
        from_answer: new column to the column of the row that answers the call.
        from_end: new column to the column of the row that ends the call.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    key: Columns = ()
    continued: ColumnName = ""
    more: str = "1"
    sums: Columns = ()
    last: Columns = ()
    begin: Patterns = field(default_factory=dict[str, str])
    answer: Patterns = field(default_factory=dict[str, str])
    end: Patterns = field(default_factory=dict[str, str])
    alone: Patterns = field(default_factory=dict[str, str])
    from_answer: NewColumns = field(default_factory=dict[str, str])
    from_end: NewColumns = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class FileControl:
    """Totals that a file states, and its position in a series by its name.

    Attributes:
        line: regular expression of the header or trailer line with totals; its groups ``rows``, ``seconds`` and
            ``cost`` are compared with the file's records, "" for none.
        name: regular expression of the file's name with groups ``date`` (year, month, day as eight digits) and
            ``sequence``, "" for none.
        every: "day" if a file is expected for every day, otherwise "".
        grace_days: days after its date within which a file is on time.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    line: str = ""
    name: str = ""
    every: Literal["", "day"] = ""
    grace_days: int = 1


@dataclass(frozen=True, slots=True)
class Rating:
    """Billing increments of the source; used by reconciliation.

    Attributes:
        increment_seconds: billing increment in seconds, 0 when unknown.
        minimum_seconds: minimum billed duration in seconds.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    increment_seconds: int = 0
    minimum_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """Format of one source's files.

    Attributes:
        name: name of the profile.
        description: system that writes such files.
        layout: text format.
        fields: canonical field to the source columns that may hold it; the first that has a value wins.
        constants: canonical field to its value in all records.
        native_id: source columns that together identify a record; empty when records have no id of their own.
        time_notation: notation of times; ``any`` accepts ISO 8601 and epoch seconds, by their form.
        time_formats: strptime formats of local times, tried in order.
        time_zone: IANA zone of local times; ``account`` for the account's own.
        zero_is_no_time: a time of 0 means that the event did not happen.
        duration_unit: unit of durations: seconds, centiseconds, milliseconds, minutes, hh:mm:ss (also mm:ss,
            d.hh:mm:ss), hh:mm, hmmt (digits: hours, minutes, tenths of a minute), or text that states its units (10s,
            1m30s, PT1M30S, 00:01'30).
        duration_units: canonical field to its own unit, where it differs (Avaya counts ringing in seconds).
        currency: ISO 4217 code of amounts, empty when the file has no amounts or names the currency itself.
        currency_marks: texts that are removed from amounts, such as $.
        thousands_mark: separator of thousands in amounts, "" for none; with a decimal comma a point is accepted too.
        cause_codes: notation of numeric hangup causes, which become the switch's cause names: q850 or sip, "" for none.
        cost_scale: decimal places by which cost is shifted: 4 for Kazoo's 1/10000.
        plan: notation of telephone numbers.
        values: canonical field to a mapping of the source's values, in lower case, to canonical ones; "" for no value.
        derive: new column to the steps that make it from other columns, or from the name of the file as column
            ``file_name``; runs before ``combine``.
        not_calls: column to the regular expression of its values in rows that are no calls, such as SMS.
        combine: new column to the source columns that it joins with a space (a date and a time of day).
        zone_column: column with the zone of each row's times: IANA name, offset, or a key of ``zones``.
        zones: abbreviations in that column to IANA names or offsets.
        zone_notation: notation of that column: names, or minutes west of Greenwich (Sansay).
        charges_are_negative: charges are negative numbers (Twilio).
        time_precision: precision of the source's times, used by reconciliation.
        decimal_mark: decimal separator of money and durations.
        account_column: column that names the account; a row of another one is rejected.
        account_names: the source's account names to our account ids.
        profile_column: column whose value names the profile that reads a row; then the profile only divides files, by
            its layout.
        profile_names: values of that column to the names of profiles.
        overlap: a file that repeats records of another file is held for a decision (hold) or merged (merge).
        segments: how a call is split into several rows, if it is.
        control: stated totals, file names and series.
        rating: billing increments.
        reconcile: how reconciliation compares the source's records with those of the switch.
        file_name: name of the file that is read; not a key of a profile.
    """

    name: str
    description: str
    layout: Layout = field(default_factory=Layout)
    fields: Mapping[FieldName, Columns] = field(default_factory=dict[str, tuple[str, ...]])
    constants: Mapping[FieldName, str] = field(default_factory=dict[str, str])
    native_id: Columns = ()
    time_notation: TimeNotation = "local"
    time_formats: Texts = ("%Y-%m-%d %H:%M:%S",)
    time_zone: str = ACCOUNT_ZONE
    zero_is_no_time: bool = False
    duration_unit: DurationUnit = "seconds"
    duration_units: Mapping[FieldName, DurationUnit] = field(default_factory=dict[str, DurationUnit])
    currency: str = ""
    currency_marks: Texts = ()
    thousands_mark: Literal["", ",", ".", " ", "'"] = ""
    cause_codes: CauseCodes = ""
    cost_scale: int = 0
    plan: NumberPlan = field(default_factory=NumberPlan)
    values: Mapping[FieldName, Words] = field(default_factory=dict[str, Mapping[str, str]])
    derive: Mapping[ColumnName, Derived] = field(default_factory=dict[str, Derived])
    not_calls: Patterns = field(default_factory=dict[str, str])
    combine: Mapping[ColumnName, Columns] = field(default_factory=dict[str, tuple[str, ...]])
    zone_column: ColumnName = ""
    zones: Words = field(default_factory=dict[str, str])
    zone_notation: Literal["name", "minutes_west"] = "name"
    charges_are_negative: bool = False
    time_precision: Literal["minute", "second", "millisecond", "microsecond"] = "second"
    decimal_mark: Literal[".", ","] = "."
    account_column: ColumnName = ""
    account_names: Mapping[str, str] = field(default_factory=dict[str, str])
    profile_column: ColumnName = ""
    profile_names: Mapping[str, str] = field(default_factory=dict[str, str])
    overlap: Literal["hold", "merge"] = "hold"
    segments: Segments = field(default_factory=Segments)
    control: FileControl = field(default_factory=FileControl)
    rating: Rating = field(default_factory=Rating)
    reconcile: CarrierRules = field(default_factory=CarrierRules)
    file_name: str = ""

    @property
    def name_values(self) -> str:
        """What derived columns take from the file's name. Equal rows of two files may differ in it."""
        found = [
            re.search(derived.match, self.file_name)
            for derived in self.derive.values()
            if derived.source == (FILE_NAME,) and derived.match
        ]
        return "/".join(match[1] for match in found if match)

    @property
    def columns(self) -> frozenset[str]:
        """Columns of the file that the profile reads, without the ones it makes itself."""
        segments = self.segments
        made = {*self.combine, *self.derive, *segments.from_answer, *segments.from_end}
        named = {column for columns in self.fields.values() for column in columns} | {*self.native_id}
        named |= {column for parts in self.combine.values() for column in parts}
        named |= {column for derived in self.derive.values() for column in derived.columns}
        named |= {
            *self.not_calls,
            *segments.key,
            segments.continued,
            *segments.begin,
            *segments.answer,
            *segments.end,
            *segments.alone,
        }
        named |= {*segments.from_answer.values(), *segments.from_end.values(), *segments.sums, *segments.last}
        return frozenset(named | {self.zone_column, self.account_column, self.profile_column}) - made - {""}
