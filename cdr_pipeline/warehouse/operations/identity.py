"""The id that a warehouse shares with its data folder."""

from collections.abc import Generator
from datetime import datetime
from uuid import UUID

from cdr_pipeline.warehouse.statement_runner import LedgerTables
from cdr_pipeline.warehouse.statements import statement


class IdentityTable(LedgerTables):
    """One id, and the files by which a folder is recognised that has none yet."""

    def warehouse_id(self) -> UUID | None:
        """The id; None while no data folder has been linked."""
        rows = self._rows("operations/warehouse_identity")
        return rows[0]["warehouse_id"] if rows else None

    def link_folder(self, warehouse_id: UUID, *, now: datetime, replace: bool = False) -> None:
        """Links the warehouse to a folder; a link that is there stays unless ``replace`` is true."""
        self._execute(
            "operations/relink_folder" if replace else "operations/link_folder", warehouse_id=warehouse_id, now=now
        )

    def export_paths(self) -> Generator[str]:
        """Paths of all daily files on record, below the folder of exports."""
        with self.connection.transaction(), self.connection.cursor("export_paths") as cursor:
            cursor.itersize = 10_000
            cursor.execute(statement("days/export_paths"))
            for (path,) in cursor:
                yield path
