"""Requests of extracts: what is kept of them, and the search that they become when the file is made."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from starlette.datastructures import QueryParams

from cdr_pipeline.api.list_search import CHOOSING, ListedRecords, search_of
from cdr_pipeline.api.models.extracts import ExtractWish
from cdr_pipeline.core.records.search import Search
from cdr_pipeline.steps.records.extracts import ExtractRequest
from cdr_pipeline.warehouse.ledger import Account

# Parameters of an extract that are not filters.
CONTROLS: Final = CHOOSING


def kept_request(wish: ExtractWish, *, above: bool) -> dict[str, Any]:
    """What is kept of a request, as JSON values.

    Args:
        wish: the request.
        above: whether the token is of an account above.
    """
    parameters = {name: [_text(value) for value in _listed(values)] for name, values in wish.parameters.items()}
    return {"kind": wish.kind, "user_id": wish.user_id, "parameters": parameters, "above": above}


def query_of(request: Mapping[str, Any]) -> QueryParams:
    """The parameters of a kept request, as those of a URL."""
    return QueryParams([(name, value) for name, values in request["parameters"].items() for value in values])


def extract_search(request: Mapping[str, Any], account: Account, requested_at: datetime) -> Search:
    """The search of a kept request.

    Args:
        request: the kept request.
        account: account that owns the records.
        requested_at: time of the request.

    Raises:
        RequestRefused: 400 with field and rule.
    """
    is_of_interactions = request["kind"] == "interactions"
    listed = ListedRecords(
        "started_at" if is_of_interactions else "saved_at",
        request["user_id"],
        is_of_interactions,
        above=request["above"],
    )
    return search_of(query_of(request), listed, account, requested_at, longest_seconds=None)


def new_request(
    wish: ExtractWish, request: Mapping[str, Any], search: Search, *, owner_id: str, token_id: str, key: str | None
) -> ExtractRequest:
    """The request of an extract as the warehouse keeps it.

    Args:
        wish: the request of the client.
        request: what is kept of it.
        search: its search.
        owner_id: account of the token.
        token_id: id of the token.
        key: Idempotency-Key of the client.
    """
    span = search.span
    return ExtractRequest(
        account_id=search.accounts[0],
        owner_id=owner_id,
        token_id=token_id,
        request=request,
        form=wish.format,
        compression=wish.compression,
        first_moment=None if span is None else span.first,
        last_moment=None if span is None else span.last,
        key=key,
    )


def _listed(values: object) -> list[object]:
    return list(values) if isinstance(values, list) else [values]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
