"""Recognises files in which one row begins a call and another ends it, as SIP proxies write their accounting."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cdr_pipeline.sources.uploads.drafting.columns.contents import Contents
from cdr_pipeline.sources.uploads.drafting.columns.roles import Choice
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet

_BEGINS: Final = frozenset({"INVITE", "START", "SETUP", "BEGIN"})
_ENDS: Final = frozenset({"BYE", "STOP", "RELEASE", "END", "HANGUP"})
_SHORT: Final = 2
_STATUS: Final = re.compile(r"[1-6][0-9]{2}")


@dataclass(frozen=True, slots=True)
class Events:
    """Lines of a draft for a file of events.

    Attributes:
        segments: lines of ``[segments]``.
        derived: tables of derived columns.
        fields: fields that come from the rows of answer and end.
        codes: notation of the causes; "" for none.
        decided: sentence about what the file shows.
    """

    segments: list[str]
    derived: list[str]
    fields: dict[str, str]
    codes: str
    decided: str


def events_of(sheet: Sheet, contents: Mapping[str, Contents], choices: dict[str, Choice]) -> Events | None:
    """Begin and end of calls in a file whose rows are SIP methods; None for any other file."""
    start = choices.get("started_at")
    method = next(
        (
            name
            for name, column in contents.items()
            if len(column.filled) == len(column.values)
            and {value.upper() for value in column.distinct} <= _BEGINS | _ENDS
            and {value.upper() for value in column.distinct} & _BEGINS
            and {value.upper() for value in column.distinct} & _ENDS
        ),
        None,
    )
    if method is None or start is None:
        return None
    begins = [word for word in contents[method].distinct if word.upper() in _BEGINS]
    ends = [word for word in contents[method].distinct if word.upper() in _ENDS]
    rows = list(zip(contents[method].values, range(sheet.rows), strict=True))
    keys = [name for name in sheet.names if name != method and _joins(contents[name].values, rows, ends)]
    if not keys:
        return None
    # Tags of a dialog are short; the id of a call is long.
    key = max(keys, key=lambda name: sum(map(len, contents[name].values)))
    status = next(
        (
            name
            for name in sheet.names
            if name not in (method, key)
            and contents[name].filled
            and all(_STATUS.fullmatch(value) for value in contents[name].distinct)
            and "200" in contents[name].distinct
        ),
        None,
    )
    for role in [role for role in choices if role != "started_at"]:
        del choices[role]
    choices["call_id"] = Choice([key], "certain", "the same in the rows that begin and end a call")
    # Numbers are in the rows that begin a call; values of other rows would shift them.
    first = {row for word, row in rows if word in begins}
    taken = {column for choice in choices.values() for column in choice.columns} | {method}
    numbers = [
        name
        for name in sheet.names
        if name not in taken
        and all(
            (value.isdecimal() or value.startswith("+")) and len(value) > _SHORT if row in first else True
            for row, value in enumerate(contents[name].values)
        )
    ]
    for role, name in zip(
        ("caller_id_number", "callee_id_number"), [name for name in numbers if name != status], strict=False
    ):
        choices[role] = Choice([name], "likely", "a number in the rows that begin a call, by its place")
    decided = f"{method} tells the row that begins a call from the one that ends it; {key} joins them"
    segments = [
        f'key = ["{key}"]',
        f'begin = {{ {method} = "^(?:{"|".join(begins)})$" }}',
        f'end = {{ {method} = "^(?:{"|".join(ends)})$" }}',
        f'from_end = {{ call_end = "{start.columns[0]}" }}',
    ]
    fields = {"ended_at": "call_end"}
    derived: list[str] = []
    if status:
        choices["hangup_cause"] = Choice([status], "certain", "status codes of SIP")
        segments.insert(2, f'alone = {{ {status} = "^[3-6]" }}')
        derived.append(f'[derive.call_answer]\nsource = "{start.columns[0]}"\nwhen = {{ {status} = "^2" }}')
        fields["answered_at"] = "call_answer"
    return Events(segments, derived, fields, "sip" if status else "", decided)


def _joins(values: list[str], rows: list[tuple[str, int]], ends: list[str]) -> bool:
    """Whether every row that ends a call has the value of one row that begins a call, and no other one has."""
    begun = [values[row] for word, row in rows if word not in ends]
    ended = [values[row] for word, row in rows if word in ends]
    return all(begun) and len(set(begun)) == len(begun) and len(begun) > 1 and set(ended) <= set(begun)
