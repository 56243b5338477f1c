"""Brings the warehouse's tables to this version's, one process at a time, and refuses a newer database."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import MigrationEdited, WarehouseNewerThanCode, WarehouseNotMigrated, WarehouseReadOnly
from cdr_pipeline.settings import bundled
from cdr_pipeline.warehouse.server.engine import connect, engine

_LOCK: Final = 7_230_114_226_001
_READ_ONLY: Final = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"
_REVISION: Final = re.compile(r'^(?P<key>revision|down_revision) = (?:"(?P<value>\w+)"|None)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """Revisions before and after; equal when there was nothing to do. None before means an empty database."""

    before: str | None
    after: str


def scripts() -> Path:
    """The folder of Alembic's scripts."""
    return bundled("sql") / "migrations"


def head(folder: Path) -> tuple[str, frozenset[str]]:
    """The newest revision of a script folder and all known ones, read without importing Alembic."""
    revisions: set[str] = set()
    followed: set[str] = set()
    for path in sorted((folder / "versions").glob("*.py")):
        found = _revisions(path)
        revisions.add(found["revision"] or "")
        if found.get("down_revision"):
            followed.add(found["down_revision"] or "")
    (newest,) = revisions - followed
    return newest, frozenset(revisions)


def _revisions(path: Path) -> dict[str, str | None]:
    return {match["key"]: match["value"] for match in _REVISION.finditer(path.read_text("utf-8"))}


def current(url: str) -> str | None:
    """The database's revision, None for one that was never migrated."""
    with connect(url) as connection:
        if connection.execute(_READ_ONLY).fetchone() == (True,):
            raise WarehouseReadOnly(
                "the warehouse only lets itself be read",
                hint="it may be a standby: point CDR_WAREHOUSE_URL at the primary",
            )
        row = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if row is None or row[0] is None:
            return None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found else None


def checksum(path: str | Path) -> str:
    """SHA-256 of a migration's text, however its lines end."""
    return hashlib.sha256(Path(path).read_text("utf-8").encode()).hexdigest()


def require_current(url: str, folder: Path | None = None) -> None:
    """Passes when the database is at this code's revision; costs a few milliseconds.

    Raises:
        WarehouseNotMigrated: it is older.
        WarehouseNewerThanCode: its revision is unknown to this code.
        MigrationEdited: a migration that it was made by has been edited since.
    """
    folder = folder or scripts()
    require_revision(_known(url, folder), folder)


def require_revision(found: str | None, folder: Path | None = None) -> None:
    """Passes when a database's revision is this code's.

    Raises:
        WarehouseNotMigrated: it is older.
        WarehouseNewerThanCode: this code does not know it.
    """
    newest, _ = head(folder or scripts())
    if _require_known(found, folder or scripts()) != newest:
        raise WarehouseNotMigrated(
            f"the warehouse is at revision {found or 'none'}, this version needs {newest}",
            hint="run 'cdr-pipeline warehouse migrate' (make a backup first)",
        )


def upgrade(url: str, folder: Path | None = None) -> MigrationResult:
    """Migrates to the newest revision, every migration in a transaction; a second process waits for the first.

    Raises:
        WarehouseNewerThanCode, MigrationEdited: nothing was touched.
    """
    folder = folder or scripts()
    newest, _ = head(folder)
    if _known(url, folder) == newest:
        return MigrationResult(newest, newest)
    with connect(url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            before = _known(url, folder)
            if before != newest:
                _run(url, folder)
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    return MigrationResult(before, newest)


def _known(url: str, folder: Path) -> str | None:
    found = _require_known(current(url), folder)
    if found is not None:
        _require_unedited(url, folder)
    return found


def _require_known(found: str | None, folder: Path) -> str | None:
    newest, revisions = head(folder)
    if found is not None and found not in revisions:
        raise WarehouseNewerThanCode(
            f"the warehouse is at revision {found}, which this version (up to {newest}) does not know",
            hint="install the version that migrated it, or a later one; nothing was touched",
        )
    return found


def _require_unedited(url: str, folder: Path) -> None:
    with connect(url) as connection:
        if connection.execute("SELECT to_regclass('migration_checksums')").fetchone() == (None,):
            return
        applied = dict(connection.execute("SELECT revision, sha256 FROM migration_checksums").fetchall())
    for path in sorted((folder / "versions").glob("*.py")):
        revision = _revisions(path)["revision"]
        if applied.get(revision or "", checksum(path)) != checksum(path):
            raise MigrationEdited(
                f"checksum mismatch: migration {revision} was edited after the warehouse was migrated with it",
                hint="put the released file back (install the package again); a change is a new migration",
            )


def _run(url: str, folder: Path) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import and only needed when there is something to do
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    database = engine(url)
    try:
        with database.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        database.dispose()
