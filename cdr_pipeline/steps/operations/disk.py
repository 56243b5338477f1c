"""Free disk space, and in how many days it is used up at the growth that the ledger shows."""

import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cdr_pipeline.files.store import StorePath
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

# Days whose files give the usual size of a day.
_LOOKED_AT: Final = timedelta(days=21)
_SAMPLED_WINDOWS: Final = 20
# Less free space than this is a problem at any growth: a checkpoint or one large file can use it up.
LEAST_FREE_BYTES: Final = 1024**3


@dataclass(slots=True)
class DiskForecast:
    """Forecast of one file system.

    Attributes:
        folder: a folder on it.
        holds: what the product keeps on it.
        free_bytes, total_bytes: present state.
        daily_bytes: expected growth of one day; 0 if no day is known yet.
    """

    folder: Path
    free_bytes: int
    total_bytes: int
    holds: list[str] = field(default_factory=list[str])
    daily_bytes: float = 0.0

    @property
    def days_left(self) -> float | None:
        """Days until it is full; None without growth."""
        return self.free_bytes / self.daily_bytes if self.daily_bytes else None

    def is_short(self, warning_days: int) -> bool:
        """Whether it is full within so many days, or nearly full now."""
        left = self.days_left
        return self.free_bytes < LEAST_FREE_BYTES or (left is not None and left < warning_days)

    def text(self) -> str:
        """The forecast in one sentence."""
        gigabytes, megabytes = self.free_bytes / 1e9, self.free_bytes / 1e6
        free = f"{gigabytes:,.1f} GB" if gigabytes >= 1 else f"{megabytes:,.0f} MB"
        text = f"disk of {self.folder} ({', '.join(self.holds)}): {free} free"
        if self.free_bytes < LEAST_FREE_BYTES:
            return f"{text}, less than {LEAST_FREE_BYTES / 1e6:,.0f} MB: the next night may fill it"
        left = self.days_left
        if left is None:
            return f"{text}; no day shows its growth yet"
        return f"{text}, a day needs {self.daily_bytes / 1e6:,.1f} MB: full in about {min(left, 9_999):,.0f} days"


@dataclass(frozen=True, slots=True)
class DailyGrowth:
    """Bytes that a day adds: landed pages and files, daily files, records in the warehouse."""

    landing: float
    files: float
    warehouse: float


def disk_forecasts(ledger: Ledger, ctx: RunContext) -> list[DiskForecast]:
    """One forecast for each file system of this machine that holds data. An object store and a server are not measured.

    Args:
        ledger: ledger of the warehouse.
        ctx: settings and clock.
    """
    growth = daily_growth(ledger, ctx.settings, ctx.clock())
    places: list[tuple[str, Path, float]] = [("Dagster", ctx.settings.dagster_home, 0.0)]
    if not isinstance(ctx.settings.data_dir, StorePath):
        places.insert(0, ("data folder", ctx.settings.data_dir, growth.landing + growth.files))
    if ctx.settings.warehouse_url is None:
        places.insert(1, ("warehouse", EmbeddedServer(ctx.settings.warehouse_dir).cluster, growth.warehouse))
    found: dict[int, DiskForecast] = {}
    for name, folder, daily in places:
        if not folder.exists():
            continue
        usage = shutil.disk_usage(folder)
        forecast = found.setdefault(folder.stat().st_dev, DiskForecast(folder, usage.free, usage.total))
        forecast.holds.append(name)
        forecast.daily_bytes += daily
    return list(found.values())


def daily_growth(ledger: Ledger, settings: Settings, now: datetime) -> DailyGrowth:
    """Bytes of a usual day, from the daily files of the last weeks, the newest landed windows and the warehouse's size.

    Backfills do not change it, because it counts business dates and not the days on which they were loaded.
    """
    files = ledger.disk.daily_files((now - _LOOKED_AT).date())
    windows = ledger.disk.newest_windows(_SAMPLED_WINDOWS)
    landed_rows = sum(window.rows_landed for window in windows)
    landed_bytes = sum(_size(settings.landing_dir / window.landing_path) for window in windows)
    stored_rows = ledger.disk.stored_rows()
    return DailyGrowth(
        landing=files.rows * landed_bytes / landed_rows if landed_rows else 0.0,
        files=files.bytes,
        warehouse=files.rows * ledger.disk.warehouse_bytes() / stored_rows if stored_rows else 0.0,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
