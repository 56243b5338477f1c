"""CSV of answers that are no list of records: one row an object, nested keys joined by dots, every cell quoted."""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import orjson

_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 100
_END: Final = "\r\n"


def csv_of(data: object) -> bytes:
    """A list of objects, or one object, as CSV with a header; the columns are those of all rows in order of arrival."""
    items = cast("list[object]", data) if isinstance(data, list) else [data]
    rows = [_flat(item) for item in items if item is not None]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        return b""
    lines = [columns, *([row.get(column) for column in columns] for row in rows)]
    return "".join(",".join(map(_cell, line)) + _END for line in lines).encode()


def attachment(name: str | None, default: str) -> str:
    """A Content-Disposition whose file name can break out of nothing: ASCII letters, digits, dots and dashes."""
    safe = _NAME.sub("_", name or "").strip("._")[:_LONGEST_NAME] or default
    if not safe.lower().endswith(".csv"):
        safe += ".csv"
    return f'attachment; filename="{safe}"'


def _flat(item: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(item, Mapping):
        return {prefix.rstrip(".") or "value": item}
    found: dict[str, object] = {}
    for key, value in cast("Mapping[str, Any]", item).items():
        if isinstance(value, Mapping) and value:
            found |= _flat(cast("object", value), f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _cell(value: object) -> str:
    """Text in quotes; nothing at all for what is missing; lists as JSON."""
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        value = orjson.dumps(value, default=str).decode()
    elif isinstance(value, bool):
        value = str(value).lower()
    return '"' + str(value).replace('"', '""') + '"'
