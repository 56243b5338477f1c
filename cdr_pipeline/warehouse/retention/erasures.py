"""Erasure of phone numbers on request, and the files outside the warehouse that still show them."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection

from cdr_pipeline.warehouse.accounts.changes import ChangeTable
from cdr_pipeline.warehouse.retention.masking import mask_erased
from cdr_pipeline.warehouse.server.engine import translated
from cdr_pipeline.warehouse.statement_runner import LedgerTables, StatementRunner


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file outside the warehouse that shows an erased number or may show it.

    Attributes:
        kind: ``daily file``, ``delivered``, ``landing`` or ``archive``.
        path: path below the folder of this kind of file.
        place: state of the day of a daily file, target of a delivered file, source of a landing file.
    """

    kind: str
    path: str
    place: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure of a number from an account's records, in one transaction; see ``ErasureTable.begin``."""

    connection: Connection[Any]
    account_id: str
    erasure_id: UUID
    now: datetime

    def erase(self, pattern: str) -> tuple[UUID, ...]:
        """Masks every record that contains the number, the record linked to it, and all their earlier versions.

        Args:
            pattern: regular expression of the number.

        Returns:
            Batch of each rejected row whose raw text was cleared.
        """
        self.statements.execute("retention/find_records", pattern=pattern)
        self.statements.execute("retention/find_linked_records")
        mask_erased(self.connection, self.account_id)
        return tuple(
            batch_id for (batch_id,) in self.statements.tuples("retention/clear_reject_texts", pattern=pattern)
        )

    def touch_days(self, *, reissue: bool) -> int:
        """Marks the days of erased records as changed: open days, and with ``reissue`` final days too.

        Returns:
            Number of days.
        """
        touched = self.statements.execute("retention/touch_erased_days", reissue=reissue)
        erased = [day for (day,) in self.statements.tuples("retention/erased_days")]
        ChangeTable(self.connection).add(self.account_id, "records", erased, now=self.now)
        return touched

    def record(self, *, actor: str, reason: str, rejects: int) -> int:
        """Records an erasure that matched records or rejected rows.

        Args:
            actor: person responsible.
            reason: reason given by the actor.
            rejects: number of rejected rows whose raw text was cleared.

        Returns:
            Number of erased records.
        """
        rows = self.statements.tuples("retention/record_erasure", actor=actor, reason=reason, rejects=rejects)
        return rows[0][0] if rows else 0

    def files(self, reject_batches: Sequence[UUID]) -> list[ShownFile]:
        """Files outside the warehouse that show the number or may show it.

        Args:
            reject_batches: batches of rejected rows whose raw text was cleared; their source files are included.
        """
        return self.statements.records(
            ShownFile, "retention/files_of_erased_records", reject_batches=list(reject_batches)
        )

    @property
    def statements(self) -> StatementRunner:
        """Runs statements about this erasure."""
        common = {"account_id": self.account_id, "erasure_id": self.erasure_id, "now": self.now}
        return StatementRunner(self.connection, common)


class ErasureTable(LedgerTables):
    """Erasures, by account."""

    @contextmanager
    def begin(self, account_id: str, *, now: datetime, keep: bool = True) -> Generator[Erasure]:
        """Begins an erasure in a transaction that blocks loads of the account.

        Rolled back if the block raises or ``keep`` is false.
        """
        with translated(), self.connection.transaction(force_rollback=not keep):
            self.statements.rows("records/lock_account", account_id=account_id)
            yield Erasure(self.connection, account_id, uuid4(), now)
