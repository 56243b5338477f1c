"""Fast check of rows that all have the same keys, as a switch usually lists them, without an object for each key.

The general parser spends half of its time on dictionaries and on garbage collection of them.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

# A class is generated for each set of keys. Rows with more keys than any switch sends do not get one.
_MOST_KEYS: Final = 200
_ROW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def alike_rows(listed: bytes) -> tuple[int, frozenset[str]] | None:
    """Number and keys of rows that all have the same lower-case keys, without duplicates and without nested objects.

    Args:
        listed: JSON list in UTF-8.

    Returns:
        None if the rows are not like this, or may not be; the general parser must check them.
    """
    try:
        keys = tuple(_ROW.decode(listed[1 : listed.find(b"}") + 1]))
        if len(keys) > _MOST_KEYS or not all(key.isidentifier() and key == key.lower() for key in keys):
            return None
        rows = _rows_with(keys).decode(listed)
    except msgspec.MsgspecError:
        return None
    # Encoded again, rows with a duplicate or an escaped key are shorter.
    if listed.count(b"{") != len(rows) or len(msgspec.json.encode(rows)) != len(listed):
        return None
    return len(rows), frozenset(keys)


@lru_cache(maxsize=32)
def _rows_with(keys: tuple[str, ...]) -> msgspec.json.Decoder[list[Any]]:
    """Decoder of rows with exactly these keys, which leaves their values encoded as JSON."""
    names = {f"field_{number}": key for number, key in enumerate(keys)}
    row = msgspec.defstruct(
        "Row", [(name, msgspec.Raw) for name in names], rename=names, forbid_unknown_fields=True, gc=False
    )
    return msgspec.json.Decoder(list[row])
