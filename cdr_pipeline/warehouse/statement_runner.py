"""Base class of the ledger tables: one named statement per call, in its own transaction unless one is open.

The connection is in autocommit mode, so a single statement needs no BEGIN and COMMIT. A night runs tens of thousands of
statements, and each would need two more round trips.
"""

from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from cdr_pipeline.warehouse.statements import statement


class LedgerTables:
    """Runs named statements over one connection."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection

    def _execute(self, name: str, /, **parameters: object) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(statement(name), parameters)
            return cursor.rowcount

    def _rows(self, name: str, /, **parameters: object) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(statement(name), parameters)
            return cursor.fetchall()
