"""The conditions of a query, and the names that it may have."""

from collections.abc import Iterable
from typing import Final

from cdr_pipeline.api.filters.kazoo import KAZOO_FILTERS, is_kazoo, kazoo_condition, listed
from cdr_pipeline.api.filters.own import FILTERS
from cdr_pipeline.api.refusals import invalid
from cdr_pipeline.core.records.search import Condition
from cdr_pipeline.warehouse.ledger import Account

# Most parameters in the query of a request, filters included.
MOST_PARAMETERS: Final = 100
_LONGEST_VALUE: Final = 1_024
_MOST_VALUES: Final = 500


def unknown_in(names: Iterable[str], controls: frozenset[str]) -> list[str]:
    """Names that are neither filters nor parameters of the route."""
    return [name for name in names if name not in controls and name not in FILTERS and not is_kazoo(name)]


def known_names(controls: frozenset[str]) -> list[str]:
    """All filters and the parameters of a route."""
    return [*FILTERS, *KAZOO_FILTERS, *sorted(controls)]


def conditions_of(query: Iterable[tuple[str, str]], account: Account, controls: frozenset[str]) -> list[Condition]:
    """The conditions of a query. Names that ``unknown_in`` finds have no condition.

    Args:
        query: names and values in the order of the request.
        account: account that owns the records.
        controls: parameters of this route that are not filters, such as page_size.

    Raises:
        RequestRefused: 400, a value is invalid.
    """
    values: dict[str, list[str]] = {}
    for name, value in query:
        if name not in controls:
            values.setdefault(name, []).append(value)
    for name in unknown_in(values, controls):
        del values[name]
    _require_few_values(values)
    conditions: list[Condition] = []
    for name, texts in values.items():
        if any(len(text) > _LONGEST_VALUE for text in texts):
            raise invalid(name, "length", f"at most {_LONGEST_VALUE} characters a value")
        if any("\x00" in text for text in texts):
            raise invalid(name, "text", "must not contain NUL")
        if name in FILTERS:
            conditions.append(FILTERS[name].build(name, tuple(texts), account))
        else:
            conditions += [kazoo_condition(name, text) for text in texts]
    return conditions


def _require_few_values(values: dict[str, list[str]]) -> None:
    """Bounds the values of all filters together: a JSON list counts as many, and each becomes a part of the query."""
    total = 0
    for name, texts in values.items():
        total += sum(len(listed(text)) if is_kazoo(name) else 1 for text in texts)
        if total > _MOST_VALUES:
            raise invalid(name, "length", f"at most {_MOST_VALUES} values in all filters of a request together")
