"""How one source speaks: an import profile. Pure data; ``sources.uploads.profiles`` reads them from TOML files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cdr_pipeline.core.numbers import NumberPlan
from cdr_pipeline.core.schemas import LINE, RAW

ACCOUNT_ZONE = "account"
TimeNotation = Literal["local", "iso8601", "epoch_seconds", "epoch_milliseconds", "gregorian_seconds", "any"]
DurationUnit = Literal["seconds", "milliseconds", "minutes", "hh:mm:ss"]


def column_name(source: str) -> str:
    """A source column's name in frames and profiles: lower case, and never one that we use beside the source's."""
    name = source.strip().lower()
    return f"source_{name}" if name in (LINE, RAW) or name.startswith("__") else name


@dataclass(frozen=True, slots=True)
class Layout:
    """The text of a file.

    Attributes:
        format: delimited text, or JSON (a document, a list, an envelope with ``data``, or one document a line).
        delimiter: one character.
        quoted: whether ``"`` quotes fields.
        header: whether the first line names the columns.
        type_rows: how many lines after the header may state types; a line that states none is a record.
        columns: without a header, the columns in order; one list for each number of fields that occurs.
        nulls: texts that mean "nothing" beside the empty one.
        encoding: of files that have no byte order mark.
        skip_space: spaces after a delimiter belong to nobody (FreeSWITCH's template "snom").
    """

    format: Literal["delimited", "json"] = "delimited"
    delimiter: str = ","
    quoted: bool = True
    header: bool = True
    type_rows: int = 0
    columns: tuple[tuple[str, ...], ...] = ()
    nulls: tuple[str, ...] = ()
    encoding: str = "utf-8"
    skip_space: bool = False


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
        currency: ISO 4217 code of money, empty when the file has none or names it itself.
        cost_scale: decimal places by which cost is shifted: 4 for Kazoo's 1/10000.
        plan: how numbers are written.
        values: canonical field to a mapping of the source's words to the canonical ones, compared in lower case.
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
    currency: str = ""
    cost_scale: int = 0
    plan: NumberPlan = field(default_factory=NumberPlan)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
