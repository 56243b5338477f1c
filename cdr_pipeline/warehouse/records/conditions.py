"""Search conditions as SQL over ``record``, a row of the merged view.

Values are bound as parameters; column names come from the field dictionary.
"""

from datetime import date, datetime
from typing import Any, Final, LiteralString, assert_never

import orjson
from psycopg import sql

from cdr_pipeline.core.fields.dictionary import BY_NAME, Kind
from cdr_pipeline.core.records.document import BY_PATH, TIMESTAMP
from cdr_pipeline.core.records.search import (
    AnyOf,
    Compare,
    Condition,
    Operator,
    PathEquals,
    PathIntersects,
    PathPresence,
    Presence,
    Share,
)

_GREGORIAN: Final = sql.SQL(
    "(extract(epoch FROM date_trunc('second', coalesce(record.ended_at, record.started_at)))::bigint"
    " + 62167219200)::text"
)
_PRESENCE: Final[dict[Presence, LiteralString]] = {
    "has_key": "{0} IS NOT NULL",
    "key_missing": "{0} IS NULL",
    "has_value": "coalesce({0}, '') NOT IN ('', '[]', '{{}}', 'null')",
    "value_missing": "coalesce({0}, '') IN ('', '[]', '{{}}', 'null')",
}
_SHARES: Final[dict[Share, LiteralString]] = {
    "all": "coalesce({list} ?& {values}, false)",
    "any": "coalesce({list} ?| {values}, false)",
    "none": "NOT coalesce({list} ?| {values}, false)",
}
# A column has a list as its JSON text, in which each item is quoted.
_SHARES_OF_TEXT: Final[dict[Share, LiteralString]] = {
    "all": "coalesce({list} LIKE '[%%' AND {list} LIKE ALL({values}), false)",
    "any": "coalesce({list} LIKE '[%%' AND {list} LIKE ANY({values}), false)",
    "none": "NOT coalesce({list} LIKE '[%%' AND {list} LIKE ANY({values}), false)",
}
_ORDERED: Final[dict[Operator, LiteralString]] = {
    Operator.AT_LEAST: "{} >= {}",
    Operator.AT_MOST: "{} <= {}",
}


class BoundValues:
    """Parameter values of a statement, each under its own name."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, value: object) -> sql.Placeholder:
        """Adds a value and returns its placeholder for the statement."""
        name = f"bound_{len(self.values)}"
        self.values[name] = value
        return sql.Placeholder(name)


def condition_sql(condition: Condition, bound: BoundValues) -> sql.Composable:
    """A condition as a boolean SQL expression."""
    match condition:
        case Compare():
            return _compare(condition, bound)
        case AnyOf():
            return _either([_compare(part, bound) for part in condition.parts])
        case PathEquals():
            return _path_equals(condition, bound)
        case PathIntersects():
            return _path_intersects(condition, bound)
        case PathPresence():
            return sql.SQL(_PRESENCE[condition.presence]).format(_path_text(condition.path, bound))
        case _:
            assert_never(condition)


def _compare(condition: Compare, bound: BoundValues) -> sql.Composable:
    return _either([_one_column(column, condition, bound) for column in condition.columns])


def _one_column(column: str, condition: Compare, bound: BoundValues) -> sql.Composable:
    name = sql.Identifier("record", column)
    match condition.operator:
        case Operator.EQUALS:
            values = _typed(column, condition.values)
            # An index that begins with this column gives sorted rows only for a single value.
            single = len(values) == 1
            form = sql.SQL("{} = {}") if single else sql.SQL("{} = ANY({})")
            return form.format(name, bound.add(values[0] if single else values))
        case Operator.PREFIX:
            return _like(name, [_escaped(value) + "%" for value in condition.values], bound, sql.SQL("LIKE"))
        case Operator.SUFFIX:
            return _like(name, ["%" + _escaped(value) for value in condition.values], bound, sql.SQL("LIKE"))
        case Operator.CONTAINS:
            return _like(name, [f"%{_escaped(value)}%" for value in condition.values], bound, sql.SQL("ILIKE"))
        case Operator.WITHIN:
            networks = bound.add([str(value) for value in condition.values])
            return sql.SQL("cdr_address({}) <<= ANY({}::inet[])").format(name, networks)
        case Operator.AT_LEAST | Operator.AT_MOST:
            (value,) = condition.values
            return sql.SQL(_ORDERED[condition.operator]).format(name, bound.add(value))


def _like(name: sql.Identifier, patterns: list[str], bound: BoundValues, like: sql.SQL) -> sql.Composable:
    return sql.SQL("{} {} ANY({})").format(name, like, bound.add(patterns))


def _escaped(value: object) -> str:
    """Escapes text for a LIKE pattern."""
    return str(value).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _typed(column: str, values: tuple[object, ...]) -> list[Any]:
    """Values in the type of the column; the request parser has already validated them."""
    kind = BY_NAME[column].kind
    if kind is Kind.DATE:
        return [value if isinstance(value, date) else date.fromisoformat(str(value)) for value in values]
    if kind is Kind.FLAG:
        return [bool(value) for value in values]
    if kind is Kind.INSTANT:
        return [value if isinstance(value, datetime) else datetime.fromisoformat(str(value)) for value in values]
    return [str(value) for value in values]


def _path_equals(condition: PathEquals, bound: BoundValues) -> sql.Composable:
    form: LiteralString = "coalesce({}, '') <> ALL({})" if condition.negated else "coalesce({}, '') = ANY({})"
    return sql.SQL(form).format(_path_text(condition.path, bound), bound.add(list(condition.values)))


def _path_text(path: tuple[str, ...], bound: BoundValues) -> sql.Composable:
    """Text at a path of the detail document; null if the document has no such key."""
    if path == TIMESTAMP:
        return _GREGORIAN
    field = BY_PATH.get(path)
    if field is None:
        return sql.SQL("(record.extra #>> {})").format(bound.add(list(path)))
    name = sql.Identifier("record", field.name)
    if field.kind in (Kind.SECONDS, Kind.MONEY):
        return sql.SQL("trim_scale({})::text").format(name)
    return name if field.kind is Kind.TEXT else sql.SQL("{}::text").format(name)


def _path_intersects(condition: PathIntersects, bound: BoundValues) -> sql.Composable:
    if condition.path in BY_PATH or condition.path == TIMESTAMP:
        items = [f"%{_escaped(orjson.dumps(value).decode())}%" for value in condition.values]
        text = sql.SQL("({})::text").format(_path_text(condition.path, bound))
        return sql.SQL(_SHARES_OF_TEXT[condition.share]).format(list=text, values=bound.add(items))
    keys = bound.add(list(condition.path))
    found = sql.SQL("CASE WHEN jsonb_typeof(record.extra #> {keys}) = 'array' THEN record.extra #> {keys} END")
    return sql.SQL(_SHARES[condition.share]).format(
        list=sql.SQL("({})").format(found.format(keys=keys)), values=bound.add(list(condition.values))
    )


def _either(parts: list[sql.Composable]) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(" OR ").join(parts))
