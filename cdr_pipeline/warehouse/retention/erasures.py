"""Erasure of phone numbers on request, and the files outside the warehouse that still show them."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection, Cursor
from psycopg.rows import class_row

from cdr_pipeline.warehouse.retention.masking import mask_erased
from cdr_pipeline.warehouse.server.engine import translated
from cdr_pipeline.warehouse.statement_runner import LedgerTables
from cdr_pipeline.warehouse.statements import statement


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
        self._execute("retention/find_records", pattern=pattern)
        self._execute("retention/find_linked_records")
        mask_erased(self.connection, self.account_id)
        return tuple(row[0] for row in self._execute("retention/clear_reject_texts", pattern=pattern))

    def touch_days(self, *, reissue: bool) -> int:
        """Marks the days of erased records as changed: open days, and with ``reissue`` final days too.

        Returns:
            Number of days.
        """
        return int(self._execute("retention/touch_erased_days", reissue=reissue).rowcount)

    def record(self, *, actor: str, reason: str, rejects: int) -> int:
        """Records an erasure that matched records or rejected rows.

        Args:
            actor: person responsible.
            reason: reason given by the actor.
            rejects: number of rejected rows whose raw text was cleared.

        Returns:
            Number of erased records.
        """
        row = self._execute("retention/record_erasure", actor=actor, reason=reason, rejects=rejects).fetchone()
        return 0 if row is None else int(row[0])

    def files(self, reject_batches: Sequence[UUID]) -> list[ShownFile]:
        """Files outside the warehouse that show the number or may show it.

        Args:
            reject_batches: batches of rejected rows whose raw text was cleared; their source files are included.
        """
        with self.connection.cursor(row_factory=class_row(ShownFile)) as cursor:
            cursor.execute(
                statement("retention/files_of_erased_records"),
                self._parameters | {"reject_batches": list(reject_batches)},
            )
            return list(cursor)

    @property
    def _parameters(self) -> dict[str, Any]:
        return {"account_id": self.account_id, "erasure_id": self.erasure_id, "now": self.now}

    def _execute(self, name: str, /, **more: object) -> Cursor[tuple[Any, ...]]:
        return self.connection.execute(statement(name), self._parameters | more)


class ErasureTable(LedgerTables):
    """Erasures, by account."""

    @contextmanager
    def begin(self, account_id: str, *, now: datetime, keep: bool = True) -> Generator[Erasure]:
        """Begins an erasure in a transaction that blocks loads of the account.

        Rolled back if the block raises or ``keep`` is false.
        """
        with translated(), self.connection.transaction(force_rollback=not keep):
            self._rows("records/lock_account", account_id=account_id)
            yield Erasure(self.connection, account_id, uuid4(), now)
