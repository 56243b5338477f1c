"""Migrations that are pending for a database: what each does, and how much disk it needs. Changes nothing."""

import ast
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from psycopg import Connection

from cdr_pipeline.warehouse.server.cluster import is_cluster
from cdr_pipeline.warehouse.server.migrate import head, migration_of, scripts
from cdr_pipeline.warehouse.statement_runner import StatementRunner

_BOTH: Final = ("cdr", "cdr_history")
# By revision: tables of which a migration writes a second copy or changes most rows, and the share of their size that
# it needs at most. Other migrations need next to nothing. A test requires an entry for a migration that writes rows.
REWRITES: Final = MappingProxyType(
    {
        "0004": (_BOTH, 1.2),
        "0007": (("cdr",), 0.2),
        "0011": (("cdr",), 0.2),
        "0012": (("cdr",), 0.2),
        "0016": (("cdr", "cdr_history", "cdr_keys", "cdr_links", "reconciled_calls", "uploads", "rejects"), 1.0),
        "0027": (("reconciled_calls", "break_decisions"), 1.0),
        # A unique index of all links is built again.
        "0032": (("cdr_links",), 0.5),
        "0041": (("cdr",), 0.2),
    }
)


@dataclass(frozen=True, slots=True)
class PendingMigration:
    """One migration that a database lacks.

    Attributes:
        revision: its number.
        purpose: what it does, in one sentence.
        needed_bytes: disk space that it needs, estimated from the present size of the tables that it rewrites.
    """

    revision: str
    purpose: str
    needed_bytes: int


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Sessions of one program that use the database and would wait for a migration, or make it wait."""

    program: str
    sessions: int


def pending_migrations(
    connection: Connection[Any], revision: str | None, folder: Path | None = None
) -> list[PendingMigration]:
    """Migrations after a revision, oldest first; none are listed for an empty database, which is created anew.

    Args:
        connection: connection to the database.
        revision: present revision of the database; None if it is empty.
        folder: script folder; None for that of this version.
    """
    if revision is None:
        return []
    folder = folder or scripts()
    newest, _ = head(folder)
    purposes: dict[str, tuple[str | None, str]] = {}
    for path in (folder / "versions").glob("*.py"):
        migration = migration_of(path)
        purposes[migration.revision] = (migration.down_revision, _purpose(path))
    found: list[PendingMigration] = []
    number: str | None = newest
    while number is not None and number != revision:
        parent, purpose = purposes[number]
        found.append(PendingMigration(number, purpose, _needed_bytes(connection, number)))
        number = parent
    return found[::-1]


def open_sessions(connection: Connection[Any]) -> list[OpenSession]:
    """Programs that use the database now, apart from this connection."""
    return StatementRunner(connection).records(OpenSession, "operations/open_sessions")


def _purpose(path: Path) -> str:
    """First line of the docstring of a migration."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or path.stem
    return text.split("\n", 1)[0]


def _needed_bytes(connection: Connection[Any], revision: str) -> int:
    if revision not in REWRITES:
        return 0
    tables, share = REWRITES[revision]
    runner = StatementRunner(connection)
    places = ["operations/size_of_tables", *(["operations/size_on_nodes"] if is_cluster(connection) else [])]
    return int(sum(runner.tuples(place, tables=list(tables))[0][0] for place in places) * share)
