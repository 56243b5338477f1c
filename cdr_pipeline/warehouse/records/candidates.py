"""Narrows a search over the merged view by the indexes of the records below it.

A column of ``cdr_merged`` may come from either record of a leg, so no index knows its value. But whatever a leg shows
stands in one of its records: the legs whose own or whose linked record satisfies a condition are found by index, and
the condition itself then decides among them. Only operators that cannot leak values are used, since row level security
would not let others near an index.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from ipaddress import IPv4Network, ip_network
from typing import Final, LiteralString

from psycopg import sql

from cdr_pipeline.core.records.document import BY_PATH
from cdr_pipeline.core.records.search import AnyOf, Compare, Condition, Operator, PathEquals

# Column, and what must hold of it beyond the comparison for its index to have the row; see migration 0004.
_INDEXED: Final[dict[str, LiteralString]] = {
    "call_id": "TRUE",
    "caller_e164": "found.caller_e164 IS NOT NULL",
    "callee_e164": "found.callee_e164 IS NOT NULL",
    "caller_id_number": "found.caller_id_number IS DISTINCT FROM found.caller_e164",
    "calling_from": (
        "found.calling_from IS DISTINCT FROM found.caller_e164"
        " AND found.calling_from IS DISTINCT FROM found.caller_id_number"
    ),
    "callee_id_number": "found.callee_id_number IS DISTINCT FROM found.callee_e164",
    "dialed_number": (
        "found.dialed_number IS DISTINCT FROM found.callee_e164"
        " AND found.dialed_number IS DISTINCT FROM found.callee_id_number"
    ),
    "from_host": "found.from_host IS NOT NULL",
    "to_host": "found.to_host IS NOT NULL",
    "remote_rtp_address": "found.remote_rtp_address IS NOT NULL",
    "local_rtp_address": "found.local_rtp_address IS NOT NULL",
}
# A column of the left is only indexed where it differs from those on the right: who asks for one asks for all.
_STANDS_FOR: Final[dict[str, tuple[str, ...]]] = {
    "caller_id_number": ("caller_e164",),
    "calling_from": ("caller_e164", "caller_id_number"),
    "callee_id_number": ("callee_e164",),
    "dialed_number": ("callee_e164", "callee_id_number"),
}
# Shorter beginnings are those of half the legs; reading in the order of time finds a page of them at once.
_SHORTEST_PREFIX: Final = 5
# A network cut between two dots is several beginnings; one as large as a continent is no narrowing.
_MOST_PREFIXES: Final = 64
_WIDEST_NETWORK: Final = 8
_OCTETS: Final = 4
# Records of a leg lie at most this far apart, days of zones included.
_REACH: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """Values sought in any of some columns: whole ones, or beginnings."""

    columns: tuple[str, ...]
    values: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


def search_terms(condition: Condition) -> SearchTerms | None:
    """What a condition of a search looks for; None where no index could know it."""
    match condition:
        case AnyOf():
            return _together([search_terms(part) for part in condition.parts])
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


def _together(parts: list[SearchTerms | None]) -> SearchTerms | None:
    """One search for several of the same columns."""
    found = [part for part in parts if part is not None]
    if len(found) != len(parts) or len({part.columns for part in found}) != 1:
        return None
    values = tuple(value for part in found for value in part.values)
    return SearchTerms(found[0].columns, values, tuple(prefix for part in found for prefix in part.prefixes))


def network_terms(columns: tuple[str, ...], networks: Iterable[str]) -> SearchTerms | None:
    """What addresses in these networks look like as text; None where that says too little, as for IPv6 networks."""
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
    sought: SearchTerms,
    accounts: Sequence[str],
    bind: Callable[[object], sql.Placeholder],
    dates: tuple[date, date] | None,
) -> sql.Composable | None:
    """A condition on ``record``, a row of ``cdr_merged``, that an index answers; None where none helps.

    It lets through every leg that satisfies what is sought, and a few more: the search's own condition stays.

    Args:
        sought: what.
        accounts: whose.
        bind: remembers a value and gives its place in the statement.
        dates: first and last business date of the legs, if bounded.
    """
    columns = tuple(
        dict.fromkeys(other for column in sought.columns for other in (*_STANDS_FOR.get(column, ()), column))
    )
    short = any(len(prefix) < _SHORTEST_PREFIX for prefix in sought.prefixes)
    if short or not columns or not all(column in _INDEXED for column in columns):
        return None
    any_column = sql.SQL(" OR ").join(_one(column, sought, bind) for column in columns)
    where: list[sql.Composable] = [
        sql.SQL("found.account_id = ANY({})").format(bind(list(accounts))),
        sql.SQL("({})").format(any_column),
    ]
    if dates is not None:
        near = sql.SQL("found.business_date BETWEEN {} AND {}")
        where.append(near.format(bind(dates[0] - _REACH), bind(dates[1] + _REACH)))
    return sql.SQL(
        "(record.account_id, record.leg_origin, record.record_id, record.business_date) IN ("
        "SELECT found.account_id, found.origin, found.record_id, found.business_date FROM cdr AS found WHERE {where}"
        " UNION ALL SELECT link.account_id, 'api', link.api_record_id, link.api_business_date FROM cdr AS found"
        " INNER JOIN cdr_links AS link ON link.account_id = found.account_id"
        " AND link.imported_record_id = found.record_id WHERE found.origin = 'imported' AND {where})"
    ).format(where=sql.SQL(" AND ").join(where))


def _one(column: str, sought: SearchTerms, bind: Callable[[object], sql.Placeholder]) -> sql.Composed:
    name = sql.Identifier("found", column)
    parts: list[sql.Composable] = [sql.SQL("{} ^@ {}").format(name, bind(prefix)) for prefix in sought.prefixes]
    if sought.values:
        parts.append(sql.SQL("{} = ANY({})").format(name, bind(list(sought.values))))
    return sql.SQL("(({}) AND {})").format(sql.SQL(" OR ").join(parts), sql.SQL(_INDEXED[column]))
