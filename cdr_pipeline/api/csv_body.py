"""CSV of responses other than lists of records: one row per object, nested keys joined by dots, all cells quoted."""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import orjson

_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 100
_END: Final = "\r\n"


def csv_of(data: object) -> bytes:
    """A list of objects, or one object, as CSV with a header. Columns are all keys, in order of first occurrence."""
    items = cast("list[object]", data) if isinstance(data, list) else [data]
    rows = [_flat(item) for item in items if item is not None]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        return b""
    lines = [columns, *([row.get(column) for column in columns] for row in rows)]
    return "".join(",".join(map(_cell, line)) + _END for line in lines).encode()


def attachment(name: str | None, default: str, suffix: str = ".csv") -> str:
    """A Content-Disposition header with a safe file name: ASCII letters, digits, dots, dashes and underscores."""
    safe = _NAME.sub("_", name or "").strip("._")[:_LONGEST_NAME] or default
    if not safe.lower().endswith(suffix):
        safe += suffix
    return f'attachment; filename="{safe}"'


def _flat(item: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(item, Mapping):
        return {prefix.rstrip(".") or "value": item}
    row: dict[str, object] = {}
    for key, value in cast("Mapping[str, Any]", item).items():
        if isinstance(value, Mapping) and value:
            row |= _flat(cast("object", value), f"{prefix}{key}.")
        else:
            row[f"{prefix}{key}"] = value
    return row


def _cell(value: object) -> str:
    """Quoted text; an empty cell without quotes for null; lists and objects as JSON."""
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        value = orjson.dumps(value, default=str).decode()
    elif isinstance(value, bool):
        value = str(value).lower()
    return '"' + str(value).replace('"', '""') + '"'
