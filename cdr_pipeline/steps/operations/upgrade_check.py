"""What an upgrade to this version would do to the warehouse, and what has to be done before. Changes nothing."""

import shutil
from dataclasses import dataclass
from typing import Final

from cdr_pipeline import __version__
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.files.lock import sole_lock
from cdr_pipeline.settings import Settings
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import connect, warehouse_url
from cdr_pipeline.warehouse.server.migrate import current, head, require_known, scripts
from cdr_pipeline.warehouse.server.pending import OpenSession, PendingMigration, open_sessions, pending_migrations

# Space for the log of the largest migration.
_LOG_BYTES: Final = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class UpgradeCheck:
    """Result of a check.

    Attributes:
        version: version of the installed code.
        revision: present revision of the tables; None for a warehouse that does not exist yet.
        newest: revision that this version needs.
        pending: migrations that would run, oldest first.
        needed_bytes: disk space that they need at most, an estimate; 0 if nothing is pending.
        free_bytes: free disk space of the warehouse; None if it is on a server of its own.
        sessions: programs that use the warehouse now.
        up_runs: whether 'cdr-pipeline up' runs with this DAGSTER_HOME.
        old_server: major version of PostgreSQL that made the embedded warehouse's files, if it is not the installed
            one; the migrations are known after the move to the installed one.
    """

    version: str
    revision: str | None
    newest: str
    pending: tuple[PendingMigration, ...] = ()
    needed_bytes: int = 0
    free_bytes: int | None = None
    sessions: tuple[OpenSession, ...] = ()
    up_runs: bool = False
    old_server: int | None = None

    @property
    def obstacles(self) -> list[str]:
        """What has to be done before the upgrade, in plain words."""
        if not self.pending and self.old_server is None:
            return []
        found: list[str] = []
        if self.up_runs:
            found.append("'cdr-pipeline up' runs: stop it (Ctrl-C, or 'systemctl stop' of its unit)")
        found += [
            f"{count_of(item.sessions, 'connection')} of '{item.program}': "
            "stop serve, ui, Dagster and commands that run"
            for item in self.sessions
        ]
        if self.free_bytes is not None and self.free_bytes < self.needed_bytes:
            free, needed = (f"{size / 1e9:.1f} GB" for size in (self.free_bytes, self.needed_bytes))
            found.append(f"the disk has {free} free, and up to {needed} are needed")
        return found


def check_upgrade(settings: Settings) -> UpgradeCheck:
    """Compares the warehouse with this version. Starts the embedded server, and does not migrate it.

    Raises:
        WarehouseNewerThanCode: a later version has migrated the warehouse.
        WarehouseUnavailable: the warehouse cannot be reached or started.
    """
    newest, _ = head(scripts())
    embedded = settings.warehouse_url is None
    if embedded and not settings.warehouse_dir.exists():
        return UpgradeCheck(__version__, None, newest)
    if embedded:
        server = EmbeddedServer(settings.warehouse_dir)
        if server.files_version not in (None, server.version):
            return _other_server(server, settings)
    url = warehouse_url(settings)
    revision = require_known(current(url))
    with connect(url) as connection:
        pending = tuple(pending_migrations(connection, revision))
        sessions = tuple(open_sessions(connection))
    needed = sum(item.needed_bytes for item in pending)
    return UpgradeCheck(
        version=__version__,
        revision=revision,
        newest=newest,
        pending=pending,
        needed_bytes=needed + _LOG_BYTES if pending else 0,
        free_bytes=shutil.disk_usage(EmbeddedServer(settings.warehouse_dir).cluster).free if embedded else None,
        sessions=sessions,
        up_runs=_up_runs(settings),
    )


def _other_server(server: EmbeddedServer, settings: Settings) -> UpgradeCheck:
    """The check of a warehouse whose files the installed PostgreSQL cannot open; a dump and new files need space."""
    return UpgradeCheck(
        version=__version__,
        revision=None,
        newest=head(scripts())[0],
        needed_bytes=2 * server.status().bytes,
        free_bytes=shutil.disk_usage(server.cluster).free,
        up_runs=_up_runs(settings),
        old_server=server.files_version,
    )


def _up_runs(settings: Settings) -> bool:
    lock = settings.dagster_home / ".up.lock"
    if not lock.exists():
        return False
    with sole_lock(lock) as alone:
        return not alone
