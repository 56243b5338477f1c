"""What every step needs and none reads for itself: settings, the warehouse's address, the clock."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.data_folder import require_own_folder
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.engine import connect, warehouse_url
from cdr_pipeline.warehouse.server.migrate import require_current, upgrade

Clock = Callable[[], datetime]
Progress = Callable[[str], None]


def utc_now() -> datetime:
    """The wall clock, aware, in UTC."""
    return datetime.now(UTC)


def silent(_: str) -> None:
    """Reports nothing."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """Where a step works.

    Attributes:
        settings: as read at the entry point.
        url: the warehouse.
        clock: current time in UTC.
        progress: told, in a few words, what has just been done; for people who wait.
        run_id: the orchestrator's run, if any.
    """

    settings: Settings
    url: str
    clock: Clock = utc_now
    progress: Progress = field(default=silent)
    run_id: str | None = None

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        clock: Clock = utc_now,
        progress: Progress = silent,
        run_id: str | None = None,
    ) -> "RunContext":
        """A workplace whose warehouse is up and has this version's tables.

        An embedded warehouse is started and migrated on the way; a server of the operator's own is only checked.

        Raises:
            WarehouseUnavailable: it cannot be reached or started.
            WarehouseNotMigrated, WarehouseNewerThanCode: its tables are of another version.
            WarehouseOfAnotherFolder: it belongs to another data folder.
        """
        url = warehouse_url(settings)
        if settings.warehouse_url is None:
            upgrade(url)
        else:
            require_current(url)
        require_own_folder(settings, url, now=clock())
        return cls(settings, url, clock, progress, run_id)

    @contextmanager
    def ledger(self) -> Generator[Ledger]:
        """The ledger over a connection of its own; further statements of a step use ``ledger.connection``."""
        with connect(self.url) as connection:
            yield Ledger(connection)
