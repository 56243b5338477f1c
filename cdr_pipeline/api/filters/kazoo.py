"""Filters of Kazoo, by keys of the detail document."""

import re
from typing import Final, get_args

import orjson

from cdr_pipeline.api.refusals import invalid
from cdr_pipeline.api.times import instant
from cdr_pipeline.core.records.document import KNOWN_PATHS, known_path
from cdr_pipeline.core.records.search import (
    Compare,
    Condition,
    Operator,
    PathEquals,
    PathIntersects,
    PathPresence,
    Presence,
    Share,
)

_CALL_ID_PREFIX: Final = re.compile(r"^\d{6}-")
_PRESENCES: Final = get_args(Presence)
KAZOO_FILTERS: Final = (
    "filter_KEY",
    "filter_not_KEY",
    "filter_any_KEY",
    "filter_none_KEY",
    "filter_array_intersect_all_KEY",
    "filter_array_intersect_any_KEY",
    "filter_array_intersect_none_KEY",
    *_PRESENCES,
    "modified_from",
    "modified_to",
)
_INTERSECTS: Final[dict[str, Share]] = {f"filter_array_intersect_{share}_": share for share in get_args(Share)}
_PREFIXES: Final = ("filter_not_", "filter_none_", "filter_any_", "filter_")


def is_kazoo(name: str) -> bool:
    """Whether a parameter is a filter of Kazoo."""
    return name.startswith("filter_") or name in KAZOO_FILTERS


def kazoo_condition(name: str, value: str) -> Condition:
    """The condition of one value of a filter of Kazoo.

    Raises:
        RequestRefused: 400, the key or the value is invalid.
    """
    if name in _PRESENCES:
        return PathPresence(_path(name, value), name)  # type: ignore[arg-type]
    if name == "modified_from":
        return Compare(("changed_at",), Operator.AT_LEAST, (instant(name, value),))
    if name == "modified_to":
        return Compare(("changed_at",), Operator.AT_MOST, (instant(name, value),))
    for prefix, share in _INTERSECTS.items():
        if name.startswith(prefix):
            return PathIntersects(_path(name, name.removeprefix(prefix)), listed(value), share)
    # Since Kazoo 5, filter_any_KEY and filter_none_KEY take a list; filter_KEY takes one as well.
    prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
    negated = prefix in ("filter_not_", "filter_none_")
    path = _path(name, name.removeprefix(prefix))
    values = listed(value)
    if path[-1].endswith("call_id"):
        values = tuple(_CALL_ID_PREFIX.sub("", item) for item in values)
    return PathEquals(path, values, negated)


def _path(name: str, text: str) -> tuple[str, ...]:
    path = known_path(text)
    if path is None:
        raise invalid(
            name, "key", f"no such key of the detail document; there are: {', '.join(KNOWN_PATHS)}"
        )  # fmt: skip
    return path


def listed(value: str) -> tuple[str, ...]:
    """Values of a Kazoo filter: the items of a JSON list (any of them matches), otherwise the text itself."""
    if not value.startswith("["):
        return (value,)
    try:
        items = orjson.loads(value)
    except orjson.JSONDecodeError:
        return (value,)
    if not isinstance(items, list):
        return (value,)
    return tuple(item if isinstance(item, str) else orjson.dumps(item).decode() for item in items)
