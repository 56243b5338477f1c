"""Numbers erased on request: which records they stood in, who asked, and which files outside show them still."""

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
    """A file outside the warehouse that shows what was erased, or may.

    Attributes:
        kind: ``daily file``, ``delivered``, ``landing`` or ``archive``.
        path: below the folder of its kind.
        place: state of the day of a daily file, target of a delivered one, what brought a landed one.
    """

    kind: str
    path: str
    place: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """A number being erased from an account's records, in one transaction; see ``ErasureTable.erasure``."""

    connection: Connection[Any]
    account_id: str
    erasure_id: UUID
    now: datetime

    def erase(self, pattern: str) -> tuple[UUID, ...]:
        """Masks every record in which the number stands, with the other record of its leg and all earlier versions.

        Returns:
            The load of each refused row whose raw text is gone too.
        """
        self._execute("retention/find_records", pattern=pattern)
        self._execute("retention/find_linked_records")
        mask_erased(self.connection, self.account_id)
        return tuple(row[0] for row in self._execute("retention/clear_reject_texts", pattern=pattern))

    def touch_days(self, *, reissue: bool) -> int:
        """Has open days written again, and final ones restated where that is wanted; how many."""
        return int(self._execute("retention/touch_erased_days", reissue=reissue).rowcount)

    def record(self, *, actor: str, reason: str, rejects: int) -> int:
        """Notes a request that found something; how many records were erased."""
        noted = self._execute("retention/record_erasure", actor=actor, reason=reason, rejects=rejects).fetchone()
        return 0 if noted is None else int(noted[0])

    def files(self, reject_batches: Sequence[UUID]) -> list[ShownFile]:
        """Files outside the warehouse, those that the loads of refused rows came from included."""
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
        """A transaction in which no load of the account runs; nothing stays of one that raises or is not to be kept."""
        with translated(), self.connection.transaction(force_rollback=not keep):
            self._rows("records/lock_account", account_id=account_id)
            yield Erasure(self.connection, account_id, uuid4(), now)
