"""The id that links a warehouse to its data folder."""

from collections.abc import Generator
from datetime import datetime
from uuid import UUID

from cdr_pipeline.warehouse.statement_runner import LedgerTables
from cdr_pipeline.warehouse.statements import statement


class IdentityTable(LedgerTables):
    """The id of the warehouse, and the file paths that identify a data folder which has no id yet."""

    def warehouse_id(self) -> UUID | None:
        """Id of the linked data folder; None if none is linked."""
        rows = self.statements.rows("operations/warehouse_identity")
        return rows[0]["warehouse_id"] if rows else None

    def link_folder(self, warehouse_id: UUID, *, now: datetime, replace: bool = False) -> None:
        """Links the warehouse to a data folder; an existing link is only changed if ``replace`` is true."""
        self.statements.execute(
            "operations/relink_folder" if replace else "operations/link_folder", warehouse_id=warehouse_id, now=now
        )

    def export_paths(self) -> Generator[str]:
        """Paths of all daily files on record, relative to the export folder."""
        with self.connection.transaction(), self.connection.cursor("export_paths") as cursor:
            cursor.itersize = 10_000
            cursor.execute(statement("days/export_paths"))
            for (path,) in cursor:
                yield path
