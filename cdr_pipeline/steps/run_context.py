"""Settings, warehouse URL, clock and progress callback that every step receives."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from shutil import disk_usage
from typing import Final

from cdr_pipeline.errors import WarehouseUnavailable
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.data_folder import require_own_folder
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.cluster import require_ready
from cdr_pipeline.warehouse.server.engine import connect, warehouse_url
from cdr_pipeline.warehouse.server.kept_connections import ReadConnections
from cdr_pipeline.warehouse.server.locks import lock_in_warehouse
from cdr_pipeline.warehouse.server.migrate import require_current, upgrade

Clock = Callable[[], datetime]
Progress = Callable[[str], None]

# A file of PostgreSQL's log. The server stops when the disk has no space for the next one.
_LOG_BYTES: Final = 16 << 20


def utc_now() -> datetime:
    """Current time as an aware datetime in UTC."""
    return datetime.now(UTC)


def silent(_: str) -> None:
    """Progress callback that discards every message."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """Settings, warehouse URL, clock and progress callback of one run.

    Attributes:
        settings: settings that the entry point has read.
        url: SQLAlchemy URL of the warehouse.
        clock: function that returns the current time in UTC.
        progress: callback that receives a short text after each piece of work.
        run_id: Dagster run id; None outside Dagster.
        statement_seconds: time limit of each statement of the ledger in seconds; None for no limit.
        most_upload_lines: lines that a file may have; None for no limit.
        pool: connections that are kept open for a server's reads; None to open one for each ledger.
    """

    settings: Settings
    url: str
    clock: Clock = utc_now
    progress: Progress = field(default=silent)
    run_id: str | None = None
    statement_seconds: float | None = None
    most_upload_lines: int | None = None
    pool: ReadConnections | None = None

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        clock: Clock = utc_now,
        progress: Progress = silent,
        run_id: str | None = None,
    ) -> "RunContext":
        """Opens the warehouse and returns the context of a run.

        Starts and migrates an embedded warehouse. A warehouse set by ``CDR_WAREHOUSE_URL`` is only checked;
        on a cluster, this waits for transactions in doubt.

        Raises:
            WarehouseUnavailable: the warehouse cannot be reached or started.
            WarehouseNotMigrated, WarehouseNewerThanCode: the tables belong to another version.
            WarehouseOfAnotherFolder: the warehouse belongs to another data folder.
            StoreError: the data folder is in an object store that cannot be used.
        """
        url = warehouse_url(settings)
        if settings.warehouse_url is None:
            upgrade(url)
        else:
            require_current(url)
            with connect(url) as connection:
                require_ready(connection)
        lock_in_warehouse(settings, url)
        require_own_folder(settings, url, now=clock())
        return cls(settings, url, clock, progress, run_id)

    def with_kept_connections(self, kept: int) -> "RunContext":
        """The same context for the reads of a server, which closes ``pool`` at its end.

        Args:
            kept: largest number of idle connections.
        """
        return replace(self, pool=ReadConnections(self.url, kept, self.statement_seconds))

    @contextmanager
    def ledger(self) -> Generator[Ledger]:
        """Opens a connection, or takes one of the pool, and yields the ledger over it."""
        kept = self.pool
        opened = kept.connection() if kept else connect(self.url, statement_seconds=self.statement_seconds)
        try:
            with opened as connection:
                yield Ledger(connection)
        except WarehouseUnavailable:
            folder = self.settings.warehouse_dir
            if self.settings.warehouse_url is None and disk_usage(folder)[2] < _LOG_BYTES:
                raise WarehouseUnavailable(
                    f"the disk of {folder} is full, so the warehouse has stopped",
                    hint="free some space on this disk; 'cdr-pipeline up' and 'serve' then start it again",
                ) from None
            raise
