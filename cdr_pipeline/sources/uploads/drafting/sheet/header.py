"""The header among the first rows of a file."""

import re
from collections.abc import Sequence
from typing import Final

from cdr_pipeline.sources.uploads.drafting.columns.column_words import meanings_of, words_of
from cdr_pipeline.sources.uploads.drafting.columns.time_formats import date_time_formats
from cdr_pipeline.sources.uploads.drafting.sheet.footers import ISO_DATE
from cdr_pipeline.sources.uploads.drafting.sheet.limits import COMMON, FEW, MOST_TITLES

_NUMBER: Final = re.compile(r"[+\-(]?[$€£]?[0-9][0-9.,' ]*\)?%?")
_CLOCK: Final = re.compile(r"[0-9]{1,4}:[0-9]{2}(?::[0-9]{2})?")
_LONGEST_NAME: Final = 60


def header_index(rows: Sequence[list[str]], width: int) -> int | None:
    """Position of the header: the first full row of words, if no full row of values is before it."""
    for index, row in enumerate(rows[:MOST_TITLES]):
        filled = [cell.strip() for cell in row if cell.strip()]
        if len(row) != width or len(filled) < max(2, width * COMMON):
            continue
        if all(_is_word(cell) for cell in filled):
            known = sum(bool(meanings_of(words_of(cell).tokens)) for cell in filled)
            follows = [other for other in rows[index + 1 :] if len(other) == width]
            return index if known or _differs(row, follows) else None
        return None
    return None


def _differs(row: list[str], others: list[list[str]]) -> bool:
    """Whether a column of the other rows holds numbers or times."""
    return any(
        other[column].strip() and not _is_word(other[column].strip())
        for other in others[:FEW]
        for column in range(len(row))
    )


def _is_word(cell: str) -> bool:
    if len(cell) > _LONGEST_NAME or not any(character.isalpha() for character in cell):
        return False
    return not (_NUMBER.fullmatch(cell) or _CLOCK.fullmatch(cell) or ISO_DATE.match(cell) or date_time_formats([cell]))
