"""Links between an imported record and the API record of the same leg.

Each load maintains the links by call id, which depend on the records alone (see ``core/records/links.py``).
Reconciliation sets further links. A record has at most one link, and a link by call id replaces one of reconciliation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from cdr_pipeline.core.records.links import LEG_REACH_DAYS
from cdr_pipeline.warehouse.statement_runner import StatementRunner
from cdr_pipeline.warehouse.statements import statement

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
    with connection.transaction():
        connection.execute(statement("records/lock_account"), {"account_id": account_id})
        settable, ended = _settable(connection, account_id, links)
        days = set[date]()
        if ended:
            days |= _days(connection, "records/withdraw_reconciled_links", _parameters(account_id, ended))
        parameters = _parameters(account_id, settable) | {"run_id": run_id, "now": now}
        days |= _days(connection, "records/set_reconciled_links", parameters)
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
        parameters: account_id, batch_id, origin, run_id and now of the batch.
        new_days: days of the inserted or changed records.
        old_days: days that changed records had before.

    Returns:
        Days whose legs changed.
    """
    before = set(old_days)
    changed = before | set(new_days)
    near = sorted({day + timedelta(days=off) for day in changed for off in range(-LEG_REACH_DAYS, LEG_REACH_DAYS + 1)})
    parameters = parameters | {"near_dates": near, "counterpart": _COUNTERPART[parameters["origin"]]}
    days: set[date] = set()
    if before:
        moved = parameters | {"moved_from": sorted(before)}
        days |= _days(connection, "records/follow_moved_records", moved)
        days |= _days(connection, "records/days_of_changed_legs", moved)
    if connection.execute(statement("records/has_counterparts"), parameters).fetchone() == (True,):
        connection.execute(statement("records/stage_links"), parameters)
        days |= _days(connection, "records/withdraw_links", parameters)
        days |= _days(connection, "records/insert_links", parameters)
    return days


def _settable(connection: Connection[Any], account_id: str, links: Sequence[Link]) -> tuple[list[Link], list[Link]]:
    """The links that can be set, and the links of reconciliation that they replace."""
    rows = connection.execute(statement("records/conflicting_links"), _parameters(account_id, links)).fetchall()
    conflicts = [(Link(*row[:2]), Link(*row[2:4]), row[4] == "call_id") for row in rows]
    blocked = {wanted for wanted, present, by_call_id in conflicts if by_call_id or present > wanted}
    ended = {present for wanted, present, _ in conflicts if wanted not in blocked}
    return [link for link in links if link not in blocked], sorted(ended)


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
