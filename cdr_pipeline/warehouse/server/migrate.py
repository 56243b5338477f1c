"""Migrations: upgrades the tables to the revision of this version, one process at a time.

A database with a newer or unknown revision is rejected.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import Connection

from cdr_pipeline.errors import (
    MigrationEdited,
    WarehouseError,
    WarehouseNewerThanCode,
    WarehouseNotMigrated,
    WarehouseReadOnly,
    WarehouseRightMissing,
)
from cdr_pipeline.settings import bundled
from cdr_pipeline.warehouse.server.engine import connect, engine, safe_message
from cdr_pipeline.warehouse.server.rights import require_rights

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

# A cluster changes a table and a view of it in one transaction only one shard after the other. Any other server accepts
# the setting and does nothing with it.
SHARD_BY_SHARD: Final = "SET citus.multi_shard_modify_mode = 'sequential'"
_LOCK: Final = 7_230_114_226_001
_READ_ONLY: Final = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"
_REVISION: Final = re.compile(r'^(?P<key>revision|down_revision) = (?:"(?P<value>\w+)"|None)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """Revisions before and after a migration.

    They are equal if there was nothing to do; ``before`` is None for an empty database.
    """

    before: str | None
    after: str


def scripts() -> Path:
    """Folder of the Alembic scripts."""
    return bundled("sql") / "migrations"


def head(folder: Path) -> tuple[str, frozenset[str]]:
    """The newest revision and all revisions of a script folder, read without importing Alembic."""
    revisions: set[str] = set()
    parents: set[str] = set()
    for path in sorted((folder / "versions").glob("*.py")):
        script = migration_of(path)
        revisions.add(script.revision)
        if script.down_revision:
            parents.add(script.down_revision)
    (newest,) = revisions - parents
    return newest, frozenset(revisions)


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration: its revision, the one before it, and the SHA-256 of its text."""

    revision: str
    down_revision: str | None
    sha256: str


def migration_of(path: Path) -> Migration:
    """Revision and checksum of a migration's file."""
    state = path.stat()
    return _read_migration(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1024)
def _read_migration(path: Path, _changed: int, _size: int) -> Migration:
    """Reads a migration. Every step of a night checks all of them; a file that has changed is read again."""
    values = {match["key"]: match["value"] for match in _REVISION.finditer(path.read_text("utf-8"))}
    return Migration(values["revision"] or "", values.get("down_revision"), checksum(path))


def current(url: str) -> str | None:
    """Revision of the database; None if it was never migrated.

    Raises:
        WarehouseReadOnly: the database accepts no changes.
    """
    with connect(url) as connection:
        return _current(connection)


def _current(connection: Connection[Any]) -> str | None:
    if connection.execute(_READ_ONLY).fetchone() == (True,):
        raise WarehouseReadOnly(
            "the warehouse is read-only",
            hint="set CDR_WAREHOUSE_URL to the primary server if this one is a standby",
        )
    row = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if row is None or row[0] is None:
        return None
    version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(version[0]) if version else None


def checksum(path: str | Path) -> str:
    """SHA-256 of a migration's text, independent of its line endings."""
    return hashlib.sha256(Path(path).read_text("utf-8").encode()).hexdigest()


def require_current(url: str, folder: Path | None = None) -> None:
    """Requires that the database has the newest revision of this version; takes a few milliseconds.

    Raises:
        WarehouseNotMigrated: the database has an older revision.
        WarehouseNewerThanCode: this version does not know the revision of the database.
        MigrationEdited: an applied migration has been edited since.
    """
    folder = folder or scripts()
    require_revision(_checked_revision(url, folder), folder)


def require_revision(revision: str | None, folder: Path | None = None) -> None:
    """Requires that a database's revision is the newest one of this version.

    Raises:
        WarehouseNotMigrated: the revision is older.
        WarehouseNewerThanCode: this version does not know the revision.
    """
    newest, _ = head(folder or scripts())
    if require_known(revision, folder) != newest:
        raise WarehouseNotMigrated(
            f"the warehouse is at revision {revision or 'none'}, this version needs {newest}",
            hint="run 'cdr-pipeline warehouse migrate' (make a backup first)",
        )


def upgrade(url: str, folder: Path | None = None) -> MigrationResult:
    """Migrates to the newest revision, each migration in its own transaction; a second process waits for the first.

    Raises:
        WarehouseRightMissing: the user lacks a right, on the server or on a node of the cluster.
        WarehouseError: the database rejected a migration, which left no trace; those before it stay.
        WarehouseNewerThanCode: this version does not know the revision of the database; nothing was changed.
        MigrationEdited: an applied migration has been edited since; nothing was changed.
    """
    folder = folder or scripts()
    newest, _ = head(folder)
    if _checked_revision(url, folder) == newest:
        return MigrationResult(newest, newest)
    with connect(url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            before = _checked_revision(url, folder)
            if before != newest:
                require_rights(connection)
                _run(url, folder)
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    return MigrationResult(before, newest)


def _checked_revision(url: str, folder: Path) -> str | None:
    with connect(url) as connection:
        revision = require_known(_current(connection), folder)
        if revision is not None:
            _require_unedited(connection, folder)
    return revision


def require_known(revision: str | None, folder: Path | None = None) -> str | None:
    """Requires that this version knows a database's revision, and returns it.

    Raises:
        WarehouseNewerThanCode: this version does not know the revision.
    """
    newest, revisions = head(folder or scripts())
    if revision is not None and revision not in revisions:
        raise WarehouseNewerThanCode(
            f"the warehouse is at revision {revision}, which this version (up to {newest}) does not know",
            hint="install the version that migrated it, or a later one; nothing was changed",
        )
    return revision


def _require_unedited(connection: Connection[Any], folder: Path) -> None:
    if connection.execute("SELECT to_regclass('migration_checksums')").fetchone() == (None,):
        return
    applied = dict(connection.execute("SELECT revision, sha256 FROM migration_checksums").fetchall())
    for path in sorted((folder / "versions").glob("*.py")):
        script = migration_of(path)
        if applied.get(script.revision, script.sha256) != script.sha256:
            raise MigrationEdited(
                f"checksum mismatch: migration {script.revision} was edited after the warehouse was migrated with it",
                hint="put the released file back: install the package again; make changes in a new migration",
            )


def _run(url: str, folder: Path) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import and only needed when there is something to do
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    database = engine(url)
    try:
        with database.connect() as connection:
            connection.exec_driver_sql(SHARD_BY_SHARD)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as failed:
        raise _migration_failed(failed) from None
    finally:
        database.dispose()


def _migration_failed(failed: "DBAPIError") -> WarehouseError:
    cause = failed.orig
    message = safe_message(cause) if isinstance(cause, psycopg.Error) else type(cause).__name__
    if isinstance(cause, psycopg.errors.InsufficientPrivilege):
        return WarehouseRightMissing(
            f"a migration needs a right that the user of CDR_WAREHOUSE_URL lacks: {message}",
            hint="tables must belong to that user: as an administrator, REASSIGN OWNED BY ... TO that user, or grant "
            "what the message names; on a cluster on each node. Then run 'cdr-pipeline warehouse migrate' again",
        )
    return WarehouseError(
        f"a migration was rejected and rolled back: {message}",
        hint="'cdr-pipeline warehouse status' shows the revision that was reached",
    )
