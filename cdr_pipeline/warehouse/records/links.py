"""Links between an imported record and the API record of the same leg.

Each load maintains the links by call id, which depend on the records alone (see ``core/records/links.py``).
Reconciliation sets further links, and a link by call id replaces one of reconciliation. An imported record has at most
one link. An API record has one link to the record that it is shown with, number 0, and more if the carrier writes
several records of one call.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl
from psycopg import Connection

from cdr_pipeline.core.records.links import LEG_REACH_DAYS
from cdr_pipeline.warehouse.accounts.changes import ChangeTable
from cdr_pipeline.warehouse.records.partitions import whole_months
from cdr_pipeline.warehouse.statement_runner import StatementRunner
from cdr_pipeline.warehouse.statements import statement

_PAIR: Final = ("imported_record_id", "api_record_id")
_LINK_COLUMNS: Final = (
    "account_id", "imported_record_id", "imported_business_date", "api_record_id", "api_business_date", "basis",
    "run_id", "linked_at",
)  # fmt: skip
_COUNTERPART: Final = {"api": "imported", "imported": "api"}


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """Two records of one leg, by their ids within the account; of two links that share a record, the greater wins."""

    imported_record_id: str
    api_record_id: str


def set_links(
    connection: Connection[Any], account_id: str, links: Sequence[Link], *, now: datetime, run_id: str | None = None
) -> frozenset[date]:
    """Links records that reconciliation has matched, in one transaction; idempotent.

    A link by call id stays, and a pair that shares a record with one is skipped. Of two links of reconciliation that
    share a record, the one with the greater ids wins, regardless of order. A pair with a record that the warehouse
    does not have is skipped.

    Args:
        connection: connection to the warehouse.
        account_id: account that owns the records.
        links: links to set, at most one per record.
        now: time of the links.
        run_id: run of the reconciliation.

    Returns:
        Business dates whose legs changed; the change counter of each is increased once.
    """
    statements = StatementRunner(connection, {"account_id": account_id})
    with connection.transaction():
        statements.execute("records/lock_account")
        settable, ended = _settable(statements, links)
        days = set[date]()
        if ended:
            days |= _days(connection, "records/withdraw_reconciled_links", _parameters(account_id, ended))
        dated = _with_days(statements, settable)
        if dated.height:
            rows = dated.with_columns(
                pl.lit(account_id).alias("account_id"),
                pl.lit("reconciled").alias("basis"),
                pl.lit(run_id, pl.String).alias("run_id"),
                pl.lit(now.isoformat()).alias("linked_at"),
            )
            statements.copy("records/copy_reconciled_links", rows.select(_LINK_COLUMNS))
            texts = pl.concat([dated["imported_business_date"], dated["api_business_date"]]).unique()
            days |= set(texts.str.to_date("%Y-%m-%d"))
        _touch(connection, account_id, days, now)
    return frozenset(days)


def withdraw_links(
    connection: Connection[Any], account_id: str, links: Sequence[Link], *, now: datetime
) -> frozenset[date]:
    """Withdraws links that reconciliation has set, in one transaction.

    Args:
        connection: connection to the warehouse.
        account_id: account that owns the records.
        links: links to withdraw; a link by call id stays.
        now: time of the change.

    Returns:
        Business dates whose legs changed; the change counter of each is increased once.
    """
    with connection.transaction():
        connection.execute(statement("records/lock_account"), {"account_id": account_id})
        days = _days(connection, "records/withdraw_reconciled_links", _parameters(account_id, links))
        _touch(connection, account_id, days, now)
    return frozenset(days)


def set_parts(
    connection: Connection[Any], account_id: str, parts: Sequence[Link], *, now: datetime, run_id: str | None = None
) -> frozenset[date]:
    """Links further imported records of calls to the API record of the call, in one transaction; idempotent.

    A part of a call that is not linked itself, or that has a link already, is skipped. The link of the call's first
    record gets the cost of all.

    Args:
        connection: connection to the warehouse.
        account_id: account that owns the records.
        parts: further records, each with the API record of its call.
        now: time of the links.
        run_id: run of the reconciliation.

    Returns:
        Business dates whose legs changed; the change counter of each is increased once.
    """
    with connection.transaction():
        connection.execute(statement("records/lock_account"), {"account_id": account_id})
        parameters = _parameters(account_id, parts) | {"run_id": run_id, "now": now}
        days = _days(connection, "records/set_parts", parameters)
        days |= _days(connection, "records/add_up_parts", parameters)
        _touch(connection, account_id, days, now)
    return frozenset(days)


def withdraw_parts(
    connection: Connection[Any], account_id: str, parts: Sequence[Link], *, now: datetime
) -> frozenset[date]:
    """Withdraws links of further records of calls. Arguments and result are those of ``withdraw_links``."""
    with connection.transaction():
        connection.execute(statement("records/lock_account"), {"account_id": account_id})
        parameters = _parameters(account_id, parts) | {"now": now}
        days = _days(connection, "records/withdraw_parts", parameters)
        days |= _days(connection, "records/add_up_parts", parameters)
        _touch(connection, account_id, days, now)
    return frozenset(days)


def calls_of_changed_parts(
    connection: Connection[Any], parameters: dict[str, Any], dates: Collection[date]
) -> list[str]:
    """API records of calls of several records of which a batch has changed or withdrawn one.

    Args:
        connection: connection to the warehouse.
        parameters: statement parameters of the batch.
        dates: days of the earlier versions of these records.
    """
    rows = connection.execute(statement("records/calls_of_changed_parts"), parameters | {"dates": sorted(dates)})
    return [api_record_id for (api_record_id,) in rows]


def add_up_parts(connection: Connection[Any], account_id: str, calls: Sequence[str]) -> frozenset[date]:
    """Stores the cost of all records of calls again; returns days of calls whose cost has changed.

    Args:
        connection: connection to the warehouse.
        account_id: account that owns the records.
        calls: API records of the calls.
    """
    if not calls:
        return frozenset()
    parameters = {"account_id": account_id, "api_ids": list(calls)}
    return frozenset(_days(connection, "records/add_up_parts", parameters))


def reconciled_links(
    connection: Connection[Any], account_id: str, first_date: date, last_date: date
) -> tuple[Link, ...]:
    """Links that reconciliation has set for API records of these business dates, by imported record id."""
    parameters = {"account_id": account_id, "first_date": first_date, "last_date": last_date}
    return tuple(StatementRunner(connection, parameters).records(Link, "records/reconciled_links"))


def link_batch(
    connection: Connection[Any], parameters: dict[str, Any], new_days: Iterable[date], old_days: Iterable[date]
) -> set[date]:
    """Sets the links by call id of a batch's records and withdraws links that its changes have ended.

    Args:
        connection: in the batch's transaction, after its records were merged.
        parameters: account_id, batch_id, origin, run_id and now of the batch; copied_dates, the days of records that
            it has inserted without the stage.
        new_days: days of the inserted or changed records.
        old_days: days that changed records had before.

    Returns:
        Days whose legs changed.
    """
    before = set(old_days)
    changed = before | set(new_days)
    near = sorted({day + timedelta(days=off) for day in changed for off in range(-LEG_REACH_DAYS, LEG_REACH_DAYS + 1)})
    parameters = parameters | whole_months(near)
    parameters |= {"near_dates": near, "counterpart": _COUNTERPART[parameters["origin"]]}
    days: set[date] = set()
    if before:
        moved = parameters | {"moved_from": sorted(before)}
        days |= _days(connection, "records/follow_moved_records", moved)
        days |= _days(connection, "records/days_of_changed_legs", moved)
    if connection.execute(statement("records/has_counterparts"), parameters).fetchone() == (True,):
        if parameters["copied_dates"]:
            connection.execute(statement("records/stage_copied"), parameters)
            connection.execute(statement("records/analyze_stage"))
        connection.execute(statement("records/stage_links"), parameters)
        days |= _days(connection, "records/withdraw_links", parameters)
        days |= _days(connection, "records/insert_links", parameters)
    return days


def _settable(statements: StatementRunner, links: Sequence[Link]) -> tuple[pl.DataFrame, list[Link]]:
    """The links that can be set and are not set yet, and the links of reconciliation that they replace."""
    wanted = pl.DataFrame(links, schema=dict.fromkeys(_PAIR, pl.String), orient="row")
    for key in _PAIR:
        wanted = wanted.unique(key, keep="first", maintain_order=True)
    present = statements.frame(
        "records/copy_links_of_records",
        (*_PAIR, "basis"),
        imported_ids=wanted["imported_record_id"].to_list(),
        api_ids=wanted["api_record_id"].to_list(),
    )
    unset = wanted.join(present, on=_PAIR, how="anti", maintain_order="left")
    conflicts = [
        (Link(*row[:2]), Link(*row[2:4]), row[4] == "call_id") for key in _PAIR for row in _sharing(unset, present, key)
    ]
    blocked = {link for link, other, by_call_id in conflicts if by_call_id or other > link}
    ended = {other for link, other, _ in conflicts if link not in blocked}
    refused = pl.DataFrame(sorted(blocked), schema=dict.fromkeys(_PAIR, pl.String), orient="row")
    return unset.join(refused, on=_PAIR, how="anti", maintain_order="left"), sorted(ended)


def _sharing(unset: pl.DataFrame, present: pl.DataFrame, key: str) -> list[tuple[str, ...]]:
    """Links to set, each with a present link that has the same record in ``key``, and the basis of that link."""
    linked = present.with_columns(pl.col(name).alias(f"linked_{name}") for name in _PAIR)
    return (
        unset.join(linked.select(key, *(f"linked_{name}" for name in _PAIR), "basis"), on=key)
        .select(*_PAIR, *(f"linked_{name}" for name in _PAIR), "basis")
        .rows()
    )


def _with_days(statements: StatementRunner, links: pl.DataFrame) -> pl.DataFrame:
    """Adds the business dates of both records as text; drops links of which the warehouse lacks a record."""
    for origin in ("imported", "api"):
        key = f"{origin}_record_id"
        if links.is_empty():
            break
        days = statements.frame(
            "records/copy_days_of_records",
            (key, f"{origin}_business_date"),
            origin=origin,
            record_ids=links[key].to_list(),
        )
        links = links.join(days, on=key, maintain_order="left")
    return links


def _parameters(account_id: str, links: Sequence[Link]) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "imported_ids": [link.imported_record_id for link in links],
        "api_ids": [link.api_record_id for link in links],
    }


def _days(connection: Connection[Any], name: str, parameters: dict[str, Any]) -> set[date]:
    return {day for row in StatementRunner(connection, parameters).tuples(name) for day in row}


def _touch(connection: Connection[Any], account_id: str, days: set[date], now: datetime) -> None:
    if days:
        connection.execute(
            statement("records/touch_days"), {"account_id": account_id, "dates": sorted(days), "now": now}
        )
        ChangeTable(connection).add(account_id, "records", days, now=now)
