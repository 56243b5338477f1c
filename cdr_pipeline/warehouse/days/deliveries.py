"""Deliveries of daily files to targets: due, delivered with a receipt, or refused."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from psycopg import sql
from psycopg.rows import class_row

from cdr_pipeline.warehouse.statement_runner import LedgerTables
from cdr_pipeline.warehouse.statements import named


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file at one target. A ``pending`` delivery is retried automatically, a ``refused`` one only on request."""

    account_id: str
    target: str
    path: str
    business_date: date
    version: int
    sha256: str
    state: str
    attempts: int
    due_at: datetime
    attempted_at: datetime | None
    delivered_at: datetime | None
    receipt: str | None
    error_code: str | None

    def age(self, now: datetime) -> timedelta:
        """Time from when the file was due until it was delivered, or until ``now``."""
        return (self.delivered_at or now) - self.due_at


@dataclass(frozen=True, slots=True)
class DueFile:
    """A file to send; ``size`` in bytes, ``manifest`` as text."""

    path: str
    sha256: str
    size: int
    manifest: str


class DeliveryTable(LedgerTables):
    """Deliveries, by account, target and path."""

    def queue(self, account_ids: Sequence[str], target: str, dialects: Sequence[str], *, now: datetime) -> None:
        """Makes the announced files of sealed days due at a target; deliveries that exist stay unchanged."""
        self.statements.execute(
            "days/queue_deliveries",
            account_ids=list(account_ids),
            target=target,
            dialects=list(dialects),
            now=now,
        )

    def list_all(self, account_ids: Sequence[str], states: Sequence[str], *, most: int | None = None) -> list[Delivery]:
        """Deliveries in these states, the longest waiting first; ``most`` is the largest number of them."""
        among = sql.SQL("true" if "delivered" in states else "state <> 'delivered'")
        with self.connection.cursor(row_factory=class_row(Delivery)) as cursor:
            bound = {"account_ids": list(account_ids), "states": list(states), "most": most}
            return cursor.execute(named("days/deliveries", among=among), bound).fetchall()

    @contextmanager
    def lock(self, delivery: Delivery, states: Sequence[str]) -> Generator[DueFile | None]:
        """Open a transaction in which no other process sends the file.

        Yields:
            The file to send; None if another process is sending it or it is no longer due.
        """
        with self.connection.transaction():
            rows = self.statements.rows(
                "days/lock_delivery",
                account_id=delivery.account_id,
                target=delivery.target,
                path=delivery.path,
                states=list(states),
            )
            yield DueFile(**rows[0]) if rows else None

    def record_delivered(self, delivery: Delivery, *, receipt: str, now: datetime) -> None:
        """Records that the file was delivered. The caller holds the delivery's lock."""
        self.statements.execute(
            "days/record_delivered",
            account_id=delivery.account_id,
            target=delivery.target,
            path=delivery.path,
            receipt=receipt,
            now=now,
        )

    def record_failed_delivery(
        self,
        delivery: Delivery,
        *,
        state: Literal["pending", "refused"],
        now: datetime,
        error_code: str,
        error_message: str,
    ) -> bool:
        """Records that an attempt failed.

        Returns:
            False if another process has attempted the delivery since ``delivery`` was read; its result stays.
        """
        changed = self.statements.execute(
            "days/record_failed_delivery",
            account_id=delivery.account_id,
            target=delivery.target,
            path=delivery.path,
            attempts=delivery.attempts,
            state=state,
            now=now,
            error_code=error_code,
            error_message=error_message,
        )
        return changed == 1
