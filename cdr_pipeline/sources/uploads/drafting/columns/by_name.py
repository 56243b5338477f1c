"""Fields of columns, by their names and values."""

from collections.abc import Mapping
from typing import Final

from cdr_pipeline.sources.uploads.drafting.columns.column_words import (
    DATE,
    TIME_OF_DAY,
    ColumnWords,
    meanings_of,
    words_of,
)
from cdr_pipeline.sources.uploads.drafting.columns.contents import MOSTLY, Contents
from cdr_pipeline.sources.uploads.drafting.columns.roles import NUMBERS, Choice
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet

_NUMBER_WORDS: Final = frozenset(
    [
        "number",
        "phone",
        "telephone",
        "tel",
        "nummer",
        "telefon",
        "telefoon",
        "numero",
        "numer",
        "telefono",
        "telefone",
        "rufnummer",
        "msisdn",
    ]
)
_EXTENSIONS: Final = frozenset({"extension", "ext"})
_ENOUGH = 0.6
_CERTAIN, _LIKELY = 0.85, 0.7


def by_names(  # noqa: C901 - one pass over the candidates, best first
    sheet: Sheet, contents: Mapping[str, Contents], words: Mapping[str, ColumnWords]
) -> dict[str, Choice]:
    """Chooses columns by the words of their names; values that cannot be the field exclude a column."""
    scored: list[tuple[float, int, str, str]] = []
    for position, name in enumerate(sheet.names):
        for role, score in _meanings_of_name(name, words[name], sheet).items():
            actual = _by_kind_of_time(role, contents[name])
            fit = contents[name].fits(actual)
            if score >= _ENOUGH and fit > 0:
                scored.append((score * 0.7 + fit * 0.3, position, actual, name))
    scored.sort(key=lambda item: (-item[0], item[1]))
    choices: dict[str, Choice] = {}
    taken: set[str] = set()
    for score, _, role, name in scored:
        if name in taken:
            continue
        choice = choices.get(role)
        if choice is None:
            confidence = "certain" if score >= _CERTAIN else "likely" if score >= _LIKELY else "guess"
            choices[role] = Choice([name], confidence, "name and values")
            taken.add(name)
        elif role in NUMBERS and sheet.nested and _complement(choice, contents, name):
            choice.columns.append(name)
            taken.add(name)
        elif name not in choice.others:
            choice.others.append(name)
    for choice in choices.values():
        choice.others = [name for name in choice.others if name not in taken]
        # Of a telephone number and an extension, the number counts if a later file has both.
        choice.columns.sort(key=lambda name: bool(set(words[name].tokens) & _EXTENSIONS))
    plain = [
        name
        for name in sheet.names
        if name not in taken and set(words[name].tokens) & _NUMBER_WORDS and contents[name].phones >= MOSTLY
    ]
    for role in NUMBERS[:2]:
        if role not in choices and plain:
            choices[role] = Choice([plain.pop(0)], "likely", "a column of numbers, by its place")
    _names_by_place(sheet, words, choices)
    return choices


def unreadable_start(sheet: Sheet, words: Mapping[str, ColumnWords], choices: dict[str, Choice]) -> None:
    """A column that its name calls the start of a call, although its values are in no known format."""
    taken = {column for choice in choices.values() for column in choice.columns}
    for name in sheet.names:
        if name not in taken and any(sheet.columns[name]) and meanings_of(words[name].tokens).get("started_at", 0) == 1:
            choices["started_at"] = Choice([name], "guess", "its name; its values are in no known format")
            return


def _meanings_of_name(name: str, words: ColumnWords, sheet: Sheet) -> dict[str, float]:
    """Meanings of the name; of a path into JSON, of its last words."""
    if not sheet.nested:
        return meanings_of(words.tokens)
    parts = [part for part in name.split(".") if not part.isdecimal()]
    scores: dict[str, float] = {}
    for length in (1, 2, 3):
        tokens = tuple(token for part in parts[-length:] for token in words_of(part).tokens)
        for role, score in meanings_of(tokens).items():
            # Of two equal names, the one that is less deep.
            scores[role] = max(scores.get(role, 0.0), score - 0.02 * len(parts))
    return scores


def _by_kind_of_time(role: str, contents: Contents) -> str:
    """The role of a column of the start, by what it holds: date and time, a date, or a time of day."""
    if role not in ("started_at", DATE, TIME_OF_DAY) or not contents.filled:
        return role
    if contents.is_time:
        return "started_at"
    return DATE if contents.dates else TIME_OF_DAY if contents.clocks else role


def _complement(choice: Choice, contents: Mapping[str, Contents], name: str) -> bool:
    """Whether a column has values only in rows in which the chosen ones have none."""
    chosen = [any(values) for values in zip(*(contents[column].values for column in choice.columns), strict=True)]
    return bool(contents[name].filled) and not any(
        has and value for has, value in zip(chosen, contents[name].values, strict=True)
    )


def _names_by_place(sheet: Sheet, words: Mapping[str, ColumnWords], choices: dict[str, Choice]) -> None:
    """A column "name" right after a number is the name of that number."""
    taken = {column for choice in choices.values() for column in choice.columns}
    for number, name_role in (("caller_id_number", "caller_id_name"), ("callee_id_number", "callee_id_name")):
        if number not in choices or name_role in choices:
            continue
        place = sheet.names.index(choices[number].columns[0]) + 1
        if place < len(sheet.names):
            column = sheet.names[place]
            if column not in taken and set(words[column].tokens) & {"name", "nom", "nombre", "nome", "naam"}:
                choices[name_role] = Choice([column], "likely", "a name next to the number")
                taken.add(column)
