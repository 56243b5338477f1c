"""Lists that commands print, as JSON objects."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from cdr_pipeline.cli.listings import ACCOUNT, Cell, Listing


def json_rows(shown: Listing, rows: Iterable[Sequence[object]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows as JSON objects: instants in UTC, durations in seconds, amounts as text, accounts with id and name."""
    objects = list[dict[str, Any]]()
    for row in rows:
        content = dict[str, Any]()
        for column, cell in zip(shown.columns, row, strict=True):
            value = cell.value if isinstance(cell, Cell) else cell
            if column == ACCOUNT:
                content |= {"account_id": value, "account_name": names.get(str(value)) or None}
            else:
                content[column] = plain(value)
        objects.append(content)
    return objects


def plain(value: Any) -> object:  # noqa: ANN401, PLR0911 - any value of a cell; one line a type
    """The value with the types of JSON."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, (date, Path)):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}  # type: ignore[misc]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(part) for part in value]  # type: ignore[misc]
    return value
