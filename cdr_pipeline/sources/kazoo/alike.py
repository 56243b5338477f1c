"""Rows that all have the same keys, which is what a switch lists: looked through without an object for each key.

Half of the time of the general way goes to dictionaries and to the collector that walks them.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

# Keys come from outside: more of them than any switch lists are not worth a class.
_MOST_KEYS: Final = 200
_ROW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def alike_rows(listed: bytes) -> tuple[int, frozenset[str]] | None:
    """Number and keys of rows that all have the same lower-case keys, each once, and hold no objects.

    Args:
        listed: a JSON list in UTF-8.

    Returns:
        None when they are otherwise, or could be: look closer.
    """
    try:
        keys = tuple(_ROW.decode(listed[1 : listed.find(b"}") + 1]))
        if len(keys) > _MOST_KEYS or not all(key.isidentifier() and key == key.lower() for key in keys):
            return None
        rows = _rows_with(keys).decode(listed)
    except msgspec.MsgspecError:
        return None
    # What was said twice, within a row or by an escape, is shorter when it is said once.
    if listed.count(b"{") != len(rows) or len(msgspec.json.encode(rows)) != len(listed):
        return None
    return len(rows), frozenset(keys)


@lru_cache(maxsize=32)
def _rows_with(keys: tuple[str, ...]) -> msgspec.json.Decoder[list[Any]]:
    """Reads rows that have exactly these keys, their values still in JSON."""
    names = {f"field_{number}": key for number, key in enumerate(keys)}
    row = msgspec.defstruct(
        "Row", [(name, msgspec.Raw) for name in names], rename=names, forbid_unknown_fields=True, gc=False
    )
    return msgspec.json.Decoder(list[row])
