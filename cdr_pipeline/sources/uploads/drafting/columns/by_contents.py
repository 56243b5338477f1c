"""Fields of columns whose names do not tell, by their values."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from cdr_pipeline.sources.uploads.drafting.columns.by_length import SHORT, take_lengths
from cdr_pipeline.sources.uploads.drafting.columns.by_time import take_date_and_clock, take_times
from cdr_pipeline.sources.uploads.drafting.columns.by_words import take_words
from cdr_pipeline.sources.uploads.drafting.columns.column_words import DATE, TIME_OF_DAY
from cdr_pipeline.sources.uploads.drafting.columns.contents import FRACTION, MOSTLY, Contents
from cdr_pipeline.sources.uploads.drafting.columns.roles import Choice
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet

_ID: Final = re.compile(r"[A-Za-z0-9._@:\-{}/=+]{6,}")
_NAMED: Final = re.compile(r'"?.*"? ?<([^<>]*)>')


def by_contents(  # noqa: C901, PLR0912 - one rule after the other; later ones see what is taken
    sheet: Sheet, contents: Mapping[str, Contents], choices: dict[str, Choice]
) -> None:
    """Fills roles that no name shows. Without a header, everything is chosen here."""
    taken = {column for choice in choices.values() for column in choice.columns}

    def free(test: str) -> list[str]:
        return [name for name in sheet.names if name not in taken and getattr(contents[name], test)]

    def take(role: str, name: str, because: str, confidence: str = "likely") -> None:
        choices[role] = Choice([name], confidence, because)
        taken.add(name)

    if "started_at" not in choices and not {DATE, TIME_OF_DAY} <= choices.keys():
        instants = free("is_time")
        if instants:
            take_times(instants, sheet, contents, choices, take)
        else:
            take_date_and_clock(free, sheet, contents, choices, take)
    if sheet.has_header:
        return
    for name in sheet.names:
        inner = [_NAMED.fullmatch(value) for value in contents[name].filled]
        if name not in taken and inner and all(inner):
            pairs = [(match[1], row) for match, row in zip(inner, range(len(inner)), strict=True) if match]
            twin = next(
                (
                    other
                    for other in sheet.names
                    if other not in taken
                    and other != name
                    and [contents[other].values[row] for _, row in pairs] == [text for text, _ in pairs]
                ),
                None,
            )
            if twin and len(contents[name].filled) == sheet.rows:
                take("caller_id_name", name, "names with numbers in angle brackets")
                take("caller_id_number", twin, f"the numbers in the angle brackets of {name}", "certain")
                break
    take_lengths(free("is_count"), contents, choices, take)
    written = free("is_written_length")
    if written and not {"duration_seconds", "billing_seconds"} & choices.keys():
        take("duration_seconds", written[0], "lengths that state their units")
    take_words(free("filled"), contents, choices, take)
    phones = [
        name
        for name in free("filled")
        if contents[name].phones >= MOSTLY
        and not contents[name].counts_rows
        and any(len(value) > SHORT for value in contents[name].distinct)
    ]
    twins = [(one, other) for one, other in pairwise(phones) if contents[one].values == contents[other].values]
    if twins and "caller_id_name" not in choices and "caller_id_number" not in choices:
        take("caller_id_name", twins[0][0], "the same as the number after it")
        phones.remove(twins[0][0])
    for role in ("caller_id_number", "callee_id_number"):
        if role not in choices and phones:
            take(role, phones.pop(0), "numbers, by their place", "guess")
    if "call_id" not in choices:
        ids = [
            name
            for name in free("is_identity")
            if all(
                _ID.fullmatch(value) and any(map(str.isdigit, value)) and not FRACTION.fullmatch(value)
                for value in contents[name].distinct
            )
        ]
        if ids and sheet.rows > 1:
            take("call_id", ids[0], "ids without duplicates", "guess")
    money = [
        name
        for name in free("is_money")
        if any("." in value or "," in value or not value[0].isdigit() for value in contents[name].distinct)
        and contents[name].phones < MOSTLY
    ]
    if money and "cost" not in choices:
        take("cost", money[-1], "amounts with decimals", "guess")
