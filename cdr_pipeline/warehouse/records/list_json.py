"""Rows of a list as JSON, from the texts of their columns.

PostgreSQL takes several times as long for an object of a row: it looks up the type of each value again, and sends the
names with each row.
"""

from collections.abc import Sequence
from functools import lru_cache

import orjson

from cdr_pipeline.warehouse.records.list_columns import NUMBERS, RECORDINGS

_ESCAPED_QUOTE = '\\"'


def json_rows(texts: Sequence[str], names: tuple[str, ...]) -> list[str]:
    """JSON objects, one for each row.

    Args:
        texts: JSON arrays of texts as PostgreSQL writes them, without blanks and without null.
        names: names of the columns, in the order of the arrays.
    """
    template, numbers, recordings = _form(names)
    rows: list[str] = []
    for text in texts:
        values = _values(text)
        for place in numbers:
            value = values[place]
            # Empty, or NaN.
            if not value[-1:].isdigit():
                values[place] = f'"{value}"'
        if recordings is not None and values[recordings] != "[]":
            values[recordings] = orjson.loads(f'"{values[recordings]}"')
        rows.append(template % tuple(values))
    return rows


@lru_cache(256)
def _form(names: tuple[str, ...]) -> tuple[str, tuple[int, ...], int | None]:
    """Template of an object, and the places of columns that are not quoted."""
    bare = NUMBERS | {RECORDINGS}
    members = ",".join(f'"{name}":%s' if name in bare else f'"{name}":"%s"' for name in names)
    numbers = tuple(place for place, name in enumerate(names) if name in NUMBERS)
    return "{" + members + "}", numbers, names.index(RECORDINGS) if RECORDINGS in names else None


def _values(text: str) -> list[str]:
    """Texts of an array, escaped as in JSON."""
    # Without quotation marks in them, the texts end where a quotation mark is.
    if _ESCAPED_QUOTE not in text:
        return text[2:-2].split('","')
    return [orjson.dumps(value)[1:-1].decode() for value in orjson.loads(text)]
