"""Runs the named statements of ``sql/``: one statement per call, in its own transaction unless one is open.

The connection is in autocommit mode, so a single statement needs no BEGIN and COMMIT. A night runs tens of thousands of
statements, and each would need two more round trips.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from cdr_pipeline.warehouse.statements import statement

_Record = TypeVar("_Record")


class StatementRunner:
    """Runs named statements over one connection.

    Attributes:
        connection: connection to the warehouse.
        common: parameters of every statement.
    """

    def __init__(self, connection: Connection[Any], common: Mapping[str, object] | None = None) -> None:
        self.connection = connection
        self.common = dict(common or {})

    def execute(self, name: str, /, **parameters: object) -> int:
        """Runs a statement and returns the number of rows that it changed."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement(name), self.common | parameters)
            return cursor.rowcount

    def rows(self, name: str, /, **parameters: object) -> list[dict[str, Any]]:
        """Rows of a statement by column name."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(statement(name), self.common | parameters)
            return cursor.fetchall()

    def tuples(self, name: str, /, **parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a statement in the order of its columns."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement(name), self.common | parameters)
            return cursor.fetchall()

    def records(self, kind: type[_Record], name: str, /, **parameters: object) -> list[_Record]:
        """Rows of a statement as objects; the columns have the names of the attributes."""
        with self.connection.cursor(row_factory=class_row(kind)) as cursor:
            cursor.execute(statement(name), self.common | parameters)
            return cursor.fetchall()


class LedgerTables:
    """Base class of the ledger tables of a topic."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.statements = StatementRunner(connection)
