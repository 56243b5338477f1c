"""Which imported record is the same leg as which of the switch's: kept by each load, and set by reconciliation.

At most one link stands for an imported and for an API record. Links by call id follow from the records alone
(``core/records/links.py``); one that reconciliation set gives way to them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from cdr_pipeline.warehouse.statements import statement

# A changed record decides over neighbours within a day, and those over theirs; a zone may shift dates by one more.
_REACH_DAYS: Final = 3
_COUNTERPART: Final = {"api": "imported", "imported": "api"}


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """Two records of one leg, by their ids within the account; of two that share a record, the greater one holds."""

    imported_record_id: str
    api_record_id: str


def set_links(
    connection: Connection[Any], account_id: str, links: Sequence[Link], *, now: datetime, run_id: str | None = None
) -> frozenset[date]:
    """Links records that reconciliation has matched, in one transaction; the same again changes nothing.

    A link by call id stays, and a pair that shares a record with one is not set. Of two links of reconciliation that
    share a record, the one with the greater ids holds, whichever was set first. A pair with a record that the warehouse
    does not have is left out.

    Args:
        connection: to the warehouse.
        account_id: whose records.
        links: at most one for each record.
        now: stamps the links.
        run_id: of the reconciliation.

    Returns:
        Business dates whose legs changed; each is counted as changed once.
    """
    with connection.transaction():
        connection.execute(statement("records/lock_account"), {"account_id": account_id})
        settable, ended = _settable(connection, account_id, links)
        days = _days(connection, "records/withdraw_reconciled_links", _of(account_id, ended)) if ended else set[date]()
        days |= _days(
            connection, "records/set_reconciled_links", _of(account_id, settable) | {"run_id": run_id, "now": now}
        )
        _touch(connection, account_id, days, now)
    return frozenset(days)


def withdraw_links(
    connection: Connection[Any], account_id: str, links: Sequence[Link], *, now: datetime
) -> frozenset[date]:
    """Withdraws links that reconciliation has set and that hold no longer, in one transaction.

    Args:
        connection: to the warehouse.
        account_id: whose records.
        links: to withdraw; one by call id stays.
        now: of the change.

    Returns:
        Business dates whose legs changed; each is counted as changed once.
    """
    with connection.transaction():
        connection.execute(statement("records/lock_account"), {"account_id": account_id})
        days = _days(connection, "records/withdraw_reconciled_links", _of(account_id, links))
        _touch(connection, account_id, days, now)
    return frozenset(days)


def reconciled_links(
    connection: Connection[Any], account_id: str, first_date: date, last_date: date
) -> tuple[Link, ...]:
    """Links that reconciliation has set for API records of these business dates, by imported record id."""
    parameters = {"account_id": account_id, "first_date": first_date, "last_date": last_date}
    with connection.cursor() as cursor:
        cursor.execute(statement("records/reconciled_links"), parameters)
        return tuple(Link(*row) for row in cursor)


def link_batch(
    connection: Connection[Any], parameters: dict[str, Any], gone_to: Iterable[date], come_from: Iterable[date]
) -> set[date]:
    """Links by call id what a batch has brought, and withdraws what its changes have ended.

    Args:
        connection: in the batch's transaction, after its records were merged.
        parameters: of the batch: account_id, batch_id, origin, run_id, now.
        gone_to: days of the records that it inserted or changed.
        come_from: days that changed records had before.

    Returns:
        Days whose legs changed by it.
    """
    before = set(come_from)
    changed = before | set(gone_to)
    near = sorted({day + timedelta(days=off) for day in changed for off in range(-_REACH_DAYS, _REACH_DAYS + 1)})
    more = parameters | {"near_dates": near, "counterpart": _COUNTERPART[parameters["origin"]]}
    days: set[date] = set()
    if before:
        past = more | {"moved_from": sorted(before)}
        days |= _days(connection, "records/follow_moved_records", past)
        days |= _days(connection, "records/days_of_changed_legs", past)
    if connection.execute(statement("records/has_counterparts"), more).fetchone() == (True,):
        connection.execute(statement("records/stage_links"), more)
        days |= _days(connection, "records/withdraw_links", more)
        days |= _days(connection, "records/insert_links", more)
    return days


def _settable(connection: Connection[Any], account_id: str, links: Sequence[Link]) -> tuple[list[Link], list[Link]]:
    """Which links can be set, and links of reconciliation that end by it."""
    found = connection.execute(statement("records/conflicting_links"), _of(account_id, links)).fetchall()
    conflicts = [(Link(*row[:2]), Link(*row[2:4]), row[4] == "call_id") for row in found]
    blocked = {wanted for wanted, present, by_call_id in conflicts if by_call_id or present > wanted}
    ended = {present for wanted, present, _ in conflicts if wanted not in blocked}
    return [link for link in links if link not in blocked], sorted(ended)


def _of(account_id: str, links: Sequence[Link]) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "imported_ids": [link.imported_record_id for link in links],
        "api_ids": [link.api_record_id for link in links],
    }


def _days(connection: Connection[Any], name: str, parameters: dict[str, Any]) -> set[date]:
    with connection.cursor() as cursor:
        cursor.execute(statement(name), parameters)
        return {day for row in cursor for day in row}


def _touch(connection: Connection[Any], account_id: str, days: set[date], now: datetime) -> None:
    if days:
        connection.execute(
            statement("records/touch_days"), {"account_id": account_id, "dates": sorted(days), "now": now}
        )
