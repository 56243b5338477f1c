"""A process that applies retention policies when it is told to: ``python retaining.py URL DATA_DIR NOW``."""

import sys
from datetime import datetime
from pathlib import Path

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.retention.retain_records import retain_records
from cdr_pipeline.steps.run_context import RunContext
from tests.support.own_clock import by_own_clock

if __name__ == "__main__":
    url, folder, now = sys.argv[1:]
    settings = by_own_clock(Settings(data_dir=Path(folder), warehouse_url=url))
    ctx = RunContext(settings, url, lambda: datetime.fromisoformat(now))
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.readline()
    done = retain_records(ctx)
    print(*[f"{month.outcome} {month.records}" for month in done.months], *done.failures, sep="\n")  # noqa: T201
