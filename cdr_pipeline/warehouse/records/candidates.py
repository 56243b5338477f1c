"""Narrows a search over the merged view with the indexes of the underlying records.

A column of ``cdr_merged`` may come from either record of a leg, so it has no index. Each value comes from one of the
two records, though: an index finds the legs of which either record satisfies a condition, and the condition itself then
filters them. Only leakproof operators are used, because row level security prevents the use of an index for others.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from ipaddress import IPv4Network, ip_network
from typing import Final, LiteralString

from psycopg import sql

from cdr_pipeline.core.records.document import BY_PATH
from cdr_pipeline.core.records.links import LEG_REACH_DAYS
from cdr_pipeline.core.records.search import AnyOf, Compare, Condition, Operator, PathEquals

# Columns with a partial index, and the condition of the index; see migration 0004.
_INDEXED: Final[dict[str, LiteralString]] = {
    "call_id": "TRUE",
    "caller_e164": "indexed.caller_e164 IS NOT NULL",
    "callee_e164": "indexed.callee_e164 IS NOT NULL",
    "caller_id_number": "indexed.caller_id_number IS DISTINCT FROM indexed.caller_e164",
    "calling_from": (
        "indexed.calling_from IS DISTINCT FROM indexed.caller_e164"
        " AND indexed.calling_from IS DISTINCT FROM indexed.caller_id_number"
    ),
    "callee_id_number": "indexed.callee_id_number IS DISTINCT FROM indexed.callee_e164",
    "dialed_number": (
        "indexed.dialed_number IS DISTINCT FROM indexed.callee_e164"
        " AND indexed.dialed_number IS DISTINCT FROM indexed.callee_id_number"
    ),
    "from_host": "indexed.from_host IS NOT NULL",
    "to_host": "indexed.to_host IS NOT NULL",
    "remote_rtp_address": "indexed.remote_rtp_address IS NOT NULL",
    "local_rtp_address": "indexed.local_rtp_address IS NOT NULL",
}
# A column on the left is indexed only where it differs from those on the right, so a search must look at all of them.
_INDEXED_WITH: Final[dict[str, tuple[str, ...]]] = {
    "caller_id_number": ("caller_e164",),
    "calling_from": ("caller_e164", "caller_id_number"),
    "callee_id_number": ("callee_e164",),
    "dialed_number": ("callee_e164", "callee_id_number"),
}
# A shorter prefix matches too many legs; reading in time order then finds a page faster.
_SHORTEST_PREFIX: Final = 5
# A network that does not end at a dot needs several prefixes. Very large networks do not narrow a search.
_MOST_PREFIXES: Final = 64
_WIDEST_NETWORK: Final = 8
_OCTETS: Final = 4
_REACH: Final = timedelta(days=LEG_REACH_DAYS)


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """Exact values or prefixes to look for in any of the given columns."""

    columns: tuple[str, ...]
    values: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


def search_terms(condition: Condition) -> SearchTerms | None:
    """Terms that an index can look up for a condition; None if no index can help."""
    match condition:
        case AnyOf():
            return _combined([search_terms(part) for part in condition.parts])
        case Compare(operator=Operator.EQUALS):
            return SearchTerms(condition.columns, values=tuple(map(str, condition.values)))
        case Compare(operator=Operator.PREFIX):
            return SearchTerms(condition.columns, prefixes=tuple(map(str, condition.values)))
        case Compare(operator=Operator.WITHIN):
            return network_terms(condition.columns, map(str, condition.values))
        case PathEquals(negated=False):
            field = BY_PATH.get(condition.path)
            return None if field is None or "" in condition.values else SearchTerms((field.name,), condition.values)
        case _:
            return None


def _combined(parts: list[SearchTerms | None]) -> SearchTerms | None:
    """Combines terms that have the same columns; None if one is missing or the columns differ."""
    terms = [part for part in parts if part is not None]
    if len(terms) != len(parts) or len({part.columns for part in terms}) != 1:
        return None
    values = tuple(value for part in terms for value in part.values)
    return SearchTerms(terms[0].columns, values, tuple(prefix for part in terms for prefix in part.prefixes))


def network_terms(columns: tuple[str, ...], networks: Iterable[str]) -> SearchTerms | None:
    """Texts and text prefixes of the addresses in these networks; None for IPv6 and for very large networks."""
    values: list[str] = []
    prefixes: list[str] = []
    for network in map(ip_network, networks):
        if not isinstance(network, IPv4Network) or network.prefixlen < _WIDEST_NETWORK:
            return None
        octets = -(-network.prefixlen // 8)
        for part in network.subnets(new_prefix=octets * 8):
            text = str(part.network_address).split(".")[:octets]
            (values if octets == _OCTETS else prefixes).append(".".join(text) + ("" if octets == _OCTETS else "."))
    if len(values) + len(prefixes) > _MOST_PREFIXES:
        return None
    return SearchTerms(columns, tuple(values), tuple(prefixes))


def narrowed(
    terms: SearchTerms,
    accounts: Sequence[str],
    bind: Callable[[object], sql.Placeholder],
    dates: tuple[date, date] | None,
    of_leg: sql.Composable | None = None,
) -> sql.Composable | None:
    """A condition on ``record``, a row of ``cdr_merged``, that an index can answer; None if no index helps.

    It accepts every leg that matches the terms and possibly more, so the search must keep its own condition.

    Args:
        terms: values and prefixes to look for.
        accounts: accounts that own the records.
        bind: adds a value to the parameters and returns its placeholder.
        dates: first and last business date of the legs; None if the search has no period.
        of_leg: further condition on ``indexed``, the record that is the leg itself.
    """
    columns = tuple(
        dict.fromkeys(other for column in terms.columns for other in (*_INDEXED_WITH.get(column, ()), column))
    )
    short = any(len(prefix) < _SHORTEST_PREFIX for prefix in terms.prefixes)
    if short or not columns or not all(column in _INDEXED for column in columns):
        return None
    any_column = sql.SQL(" OR ").join(_matches(column, terms, bind) for column in columns)
    where: list[sql.Composable] = [
        sql.SQL("indexed.account_id = ANY({})").format(bind(list(accounts))),
        sql.SQL("({})").format(any_column),
    ]
    if dates is not None:
        near = sql.SQL("indexed.business_date BETWEEN {} AND {}")
        where.append(near.format(bind(dates[0] - _REACH), bind(dates[1] + _REACH)))
    return sql.SQL(
        "(record.account_id, record.leg_origin, record.record_id, record.business_date) IN ("
        "SELECT indexed.account_id, indexed.origin, indexed.record_id, indexed.business_date"
        " FROM cdr AS indexed WHERE {where}{of_leg}"
        " UNION ALL SELECT link.account_id, 'api', link.api_record_id, link.api_business_date FROM cdr AS indexed"
        " INNER JOIN cdr_links AS link ON link.account_id = indexed.account_id"
        " AND link.imported_record_id = indexed.record_id WHERE indexed.origin = 'imported' AND {where})"
    ).format(
        where=sql.SQL(" AND ").join(where),
        of_leg=sql.SQL("") if of_leg is None else sql.SQL(" AND {}").format(of_leg),
    )


def _matches(column: str, terms: SearchTerms, bind: Callable[[object], sql.Placeholder]) -> sql.Composed:
    name = sql.Identifier("indexed", column)
    parts: list[sql.Composable] = [sql.SQL("{} ^@ {}").format(name, bind(prefix)) for prefix in terms.prefixes]
    if terms.values:
        parts.append(sql.SQL("{} = ANY({})").format(name, bind(list(terms.values))))
    return sql.SQL("(({}) AND {})").format(sql.SQL(" OR ").join(parts), sql.SQL(_INDEXED[column]))
