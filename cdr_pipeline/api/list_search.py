"""The search behind a list of records: period, order, columns and filters of its parameters."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.datastructures import QueryParams

from cdr_pipeline.api.answers import COMMON_PARAMETERS
from cdr_pipeline.api.filters.conditions import MOST_PARAMETERS, conditions_of
from cdr_pipeline.api.parameters import ColumnsQuery, ListQuery, parameters_in
from cdr_pipeline.api.refusals import invalid
from cdr_pipeline.api.times import MAX_RANGE_SECONDS, span_of
from cdr_pipeline.core.records.search import Clock, Compare, Condition, Operator, Search
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.list_columns import INTERACTION_NAMES, NAMES, RESELLER_NAMES

PERIOD: Final = frozenset(("created_from", "created_to"))
PAGING: Final = frozenset(("page_size", "start_key", "paginate", "is_chunked", "chunk_size"))
# Parameters of a list that choose its rows and columns, besides the filters.
CHOOSING: Final = PERIOD | {"ascending", "descending", "utc_offset", "fields"}
CONTROLS: Final = COMMON_PARAMETERS | PAGING | CHOOSING


@dataclass(frozen=True, slots=True)
class ListedRecords:
    """What a list contains.

    Attributes:
        clock: time of a record that the period applies to, and that sorts the rows.
        user_id: only records of devices of this user; None for all.
        interactions: only the first leg of each interaction.
        above: whether the token is of an account above, which also gets the columns of resellers, as in Kazoo.
    """

    clock: Clock
    user_id: str | None = None
    interactions: bool = False
    above: bool = False


def require_few(query: QueryParams, controls: AbstractSet[str]) -> None:
    """Requires that there are not too many parameters, and each control at most once. Raises RequestRefused: 400."""
    if len(query.multi_items()) > MOST_PARAMETERS:
        raise invalid("query", "length", f"at most {MOST_PARAMETERS} parameters")
    for name in controls - {"auth_token"}:
        if len(query.getlist(name)) > 1:
            raise invalid(name, "once", "must be given once")


def search_of(
    query: QueryParams,
    listed: ListedRecords,
    account: Account,
    now: datetime,
    *,
    longest_seconds: int | None = MAX_RANGE_SECONDS,
) -> Search:
    """The search of a list. Unknown parameters have no effect.

    Args:
        query: parameters of the list.
        listed: what the list contains.
        account: account that owns the records.
        now: time of the request in UTC.
        longest_seconds: longest period in seconds; None for no limit.

    Raises:
        RequestRefused: 400 with field and rule.
    """
    conditions: list[Condition] = conditions_of(query.multi_items(), account, CONTROLS)
    if listed.user_id is not None:
        conditions.append(Compare(("owner_id",), Operator.EQUALS, (listed.user_id,)))
    controls = parameters_in(ListQuery, query)
    # A business date bounds the search, so no default period is needed.
    bounded = "business_date" in query and not PERIOD & set(query)
    return Search(
        accounts=(account.account_id,),
        conditions=tuple(conditions),
        span=None if bounded else span_of(query, listed.clock, now, longest_seconds=longest_seconds),
        ascending=controls.ascending or not controls.descending,
        interactions=listed.interactions,
        utc_offset=controls.utc_offset,
        columns=_columns(parameters_in(ColumnsQuery, query).fields, listed),
    )


def _columns(fields: tuple[str, ...], listed: ListedRecords) -> tuple[str, ...]:
    """Columns of the list by name. Raises RequestRefused: 400, a list has no such column."""
    known = (*(RESELLER_NAMES if listed.above else NAMES), *(INTERACTION_NAMES if listed.interactions else ()))
    if not set(fields) <= set(known):
        raise invalid("fields", "allowed", f"must be columns of the list: {', '.join(known)}")
    return fields or (known if listed.above else ())
