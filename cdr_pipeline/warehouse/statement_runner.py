"""Runs the named statements of ``sql/``: one statement per call, in its own transaction unless one is open.

The connection is in autocommit mode, so a single statement needs no BEGIN and COMMIT. A night runs tens of thousands of
statements, and each would need two more round trips.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeVar

from psycopg import Connection, sql
from psycopg.rows import class_row, dict_row

from cdr_pipeline.warehouse.statements import named, statement

if TYPE_CHECKING:
    import polars as pl

_Record = TypeVar("_Record")
# Rows that are written as one piece; a thread writes the next piece while the server reads one.
_PIECE_ROWS: Final = 5_000


class StatementRunner:
    """Runs named statements over one connection.

    Attributes:
        connection: connection to the warehouse.
        common: parameters of every statement.
    """

    def __init__(self, connection: Connection[Any], common: Mapping[str, object] | None = None) -> None:
        self.connection = connection
        self.common = dict(common or {})

    @contextmanager
    def without_nested_loops(self) -> Generator[None]:
        """A transaction for statements that join the days of many accounts.

        The planner expects few of these days to match, and would compare each with each. A Citus cluster forwards the
        setting to its nodes, where the joins run, only after the first command; a single server ignores that command.
        """
        with self.connection.transaction():
            self.connection.execute("SET LOCAL citus.propagate_set_commands = 'local'", prepare=False)
            self.connection.execute("SET LOCAL enable_nestloop = off", prepare=False)
            yield

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

    def frame(self, name: str, columns: Sequence[str], /, **parameters: object) -> "pl.DataFrame":
        """Rows of a COPY ... TO STDOUT statement in CSV as a frame of texts.

        Args:
            name: topic and name of the statement.
            columns: names of the columns, in the order of the statement.
            parameters: parameters of the statement.
        """
        import polars as pl  # noqa: PLC0415 - slow to import, and most statements do not need it

        with self.connection.cursor() as cursor, cursor.copy(statement(name), self.common | parameters) as copy:
            content = b"".join(copy)
        if not content:
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.String()))
        return pl.read_csv(BytesIO(content), has_header=False, new_columns=list(columns), infer_schema=False)

    def copy(
        self,
        name: str,
        rows: "pl.DataFrame",
        /,
        finish: "Callable[[pl.DataFrame], pl.DataFrame] | None" = None,
        **parts: sql.Composable,
    ) -> None:
        """Writes a frame by a COPY ... FROM STDIN statement in CSV.

        Args:
            name: topic and name of the statement.
            rows: frame with the columns of the statement, in its order.
            finish: makes these columns of a part of the rows, while the server reads the part before.
            parts: SQL for each placeholder that the statement leaves to its caller.
        """
        query = named(name, **parts) if parts else statement(name)
        with self.connection.cursor() as cursor, cursor.copy(query) as copy:
            for content in _pieces(rows, finish or _unchanged):
                copy.write(content)


def _pieces(rows: "pl.DataFrame", finish: "Callable[[pl.DataFrame], pl.DataFrame]") -> Iterator[memoryview]:
    """A frame as CSV."""

    def piece(start: int) -> memoryview:
        content = BytesIO()
        finish(rows.slice(start, _PIECE_ROWS)).write_csv(content, include_header=False)
        return content.getbuffer()

    if rows.height <= _PIECE_ROWS:
        yield piece(0)
        return
    with ThreadPoolExecutor(1, "write-csv") as thread:
        following = thread.submit(piece, 0)
        for start in range(_PIECE_ROWS, rows.height, _PIECE_ROWS):
            content, following = following.result(), thread.submit(piece, start)
            yield content
        yield following.result()


def _unchanged(rows: "pl.DataFrame") -> "pl.DataFrame":
    return rows


class LedgerTables:
    """Base class of the ledger tables of a topic."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.statements = StatementRunner(connection)
