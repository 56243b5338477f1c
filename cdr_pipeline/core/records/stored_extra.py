"""The column ``extra`` of stored records: what a record's source delivers beyond the fields, as one JSON object.

Values keep the text of their source, so that no number is rounded. Members without a value are left out.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec
import orjson
import polars as pl

from cdr_pipeline.core.fields.dictionary import KNOWN_DETAIL_KEYS, KNOWN_LIST_KEYS
from cdr_pipeline.core.fields.schemas import EXTRA
from cdr_pipeline.errors import ValueNotStorable

STORED_EXTRA: Final = "extra"
_NULL: Final = b"null"
_OBJECT: Final = ord("{")
_LIST: Final = ord("[")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])


def with_extra_of(kind: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Adds ``extra`` to rows of a batch; its kind is ``window`` or ``upload``."""
    list_keys = KNOWN_LIST_KEYS if kind == "window" else frozenset[str]()
    return with_extra(rows, list_keys=list_keys, detail_keys=KNOWN_DETAIL_KEYS)


def with_extra(rows: pl.DataFrame, *, list_keys: Collection[str], detail_keys: Collection[str]) -> pl.DataFrame:
    """Adds ``extra``: members of ``extra_source`` and of ``detail_source``, which replaces members of the same name.

    Args:
        rows: working schema plus ``detail_source``.
        list_keys: keys of ``extra_source`` that are fields already.
        detail_keys: keys of ``detail_source`` that are fields already.

    Raises:
        ValueNotStorable: a text is not a JSON object.
    """
    sources = rows.select(EXTRA, "detail_source")
    if not list_keys and sources["detail_source"].null_count() == rows.height:
        # A file's values without null need no change.
        sources = sources.filter(pl.col(EXTRA).str.contains("null", literal=True))
        if sources.is_empty():
            return rows.with_columns(pl.col(EXTRA).fill_null("{}").alias(STORED_EXTRA))
        changed = dict(zip(sources[EXTRA], _extras(sources, list_keys, detail_keys), strict=True))
        return rows.with_columns(pl.col(EXTRA).replace(changed).fill_null("{}").alias(STORED_EXTRA))
    return rows.with_columns(pl.Series(STORED_EXTRA, _extras(sources, list_keys, detail_keys), pl.String))


def _extras(sources: pl.DataFrame, list_keys: Collection[str], detail_keys: Collection[str]) -> list[str]:
    try:
        return [
            _object(_members(listed, list_keys) | _members(detailed, detail_keys)).decode()
            for listed, detailed in sources.iter_rows()
        ]
    except msgspec.DecodeError:
        raise ValueNotStorable("the values of a record that are not fields are not a JSON object") from None


def _members(text: str | None, without: Collection[str]) -> dict[str, bytes]:
    """Members of a JSON object as JSON texts; those of some keys and those without a value are left out."""
    if text is None:
        return {}
    members = {key: bytes(value) for key, value in _MEMBERS.decode(text).items() if key not in without}
    if "null" not in text:
        return members
    return {key: _stripped(value) for key, value in members.items() if value != _NULL}


def _stripped(value: bytes) -> bytes:
    """JSON without members that have no value, at any depth; items of lists stay."""
    if _NULL not in value:
        return value
    if value[0] == _OBJECT:
        members = {key: bytes(inner) for key, inner in _MEMBERS.decode(value).items()}
        return _object({key: _stripped(inner) for key, inner in members.items() if inner != _NULL})
    if value[0] == _LIST:
        return b"[" + b",".join(_stripped(bytes(item)) for item in _ITEMS.decode(value)) + b"]"
    return value


def _object(members: Mapping[str, bytes]) -> bytes:
    return b"{" + b",".join([orjson.dumps(key) + b":" + value for key, value in members.items()]) + b"}"
