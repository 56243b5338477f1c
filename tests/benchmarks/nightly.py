"""Benchmark ``nightly``: the whole job for one day, page server to daily files, with the share of each stage.

    python tests/benchmarks/nightly.py [--accounts 1000] [--rows 1000000]

The limit is the same steps called one after the other without Dagster: what is above it is Dagster. The last lines
repeat the night (nothing has changed) and show what a hundredth of the accounts costs, with the same rows and with the
same rows an account.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from measuring import measured
from served_pages import served_pages

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.export_days import ExportRequest, export_days
from cdr_pipeline.steps.load_day import LoadRequest, load_day
from cdr_pipeline.steps.night_report import night_report
from cdr_pipeline.steps.take_in_uploads import take_in_uploads
from cdr_pipeline.steps.workplace import Workplace
from cdr_pipeline.warehouse.embedded import EmbeddedServer
from cdr_pipeline.warehouse.ledger import Account

DAY = date(2026, 3, 2)
PAGE_SIZE = 500


def settings_for(folder: str, url: str) -> Settings:
    """A place with its own embedded warehouse and Dagster instance."""
    return Settings(
        data_dir=Path(folder) / "data", DAGSTER_HOME=Path(folder) / "dagster_home", api_url=url, api_token="t" * 32,
        api_dialect="k5", api_page_size=PAGE_SIZE, api_requests_per_second=10_000,
        api_host_requests_per_second=100_000, collect_concurrency=8, collect_overlap_hours=0, first_date="2026-03-01",
    )  # fmt: skip


def prepare(folder: str, accounts: int) -> None:
    """Starts the warehouse and makes the accounts known."""
    at = Workplace.at(settings_for(folder, "http://127.0.0.1:9"))
    with at.ledger() as ledger:
        for number in range(accounts):
            ledger.add_account(Account(f"a{number:04d}", country_code="1"), now=datetime(2026, 3, 2, tzinfo=UTC))


def plain(folder: str, url: str) -> dict[str, float]:
    """The limit: the steps of a night without Dagster, with their seconds."""
    at = Workplace.at(settings_for(folder, url))
    stages: dict[str, float] = {}

    def timed(name: str, step: Any, *args: Any) -> Any:
        begun = time.perf_counter()
        result = step(*args)
        stages[name] = time.perf_counter() - begun
        return result

    collected = timed("api_pages", collect_day, CollectRequest(DAY), at)
    assert not collected.failures, collected.failures[0]
    timed("uploads", take_in_uploads, at)
    loaded = timed("load", load_day, LoadRequest(DAY), at)
    assert not loaded.failures, loaded.failures[0]
    timed("daily_files", export_days, ExportRequest([DAY]), at)
    timed("night_report", night_report, DAY, at)
    return stages


def night(folder: str, url: str) -> dict[str, float]:
    """The job as ``cdr-pipeline nightly`` runs it, with the seconds of its steps and of itself."""
    from cdr_pipeline.defs.night import run_night  # noqa: PLC0415 - the limit runs without it

    begun = time.perf_counter()
    done = run_night(DAY, settings_for(folder, url))
    assert done.succeeded, done.step_errors
    steps = dict(done.step_seconds)
    return {**steps, "dagster": time.perf_counter() - begun - sum(steps.values())}


def table(name: str, rows: int, stages: dict[str, float], seconds: float, peak: float) -> None:
    """One night: rate, peak, and each stage with its share."""
    print(f"{name:34s} {seconds:8.1f} s {rows / seconds:9,.0f} rows/s {peak:6.0f} MB")
    for stage, part in stages.items():
        print(f"    {stage:30s} {part:8.1f} s {part / seconds:8.1%}")


def warehouse_memory(folder: str) -> float:
    """Memory of the embedded server's processes now, shared pages counted once, in MB."""
    with Workplace.at(settings_for(folder, "http://127.0.0.1:9")).ledger() as ledger:
        ((place,),) = ledger.connection.execute("SHOW data_directory").fetchall()
    leader = (Path(place) / "postmaster.pid").read_text().split()[0]
    total = 0
    for state in Path("/proc").glob("[0-9]*/smaps_rollup"):
        try:
            parent = (state.parent / "stat").read_text().rpartition(")")[2].split()[1]
            if leader in (parent, state.parent.name):
                total += sum(int(row.split()[1]) for row in state.read_text().splitlines() if row.startswith("Pss:"))
        except OSError:
            continue
    return total / 1024


def play(accounts: int, rows: int, *, dagster_too: bool = True) -> None:
    """Both nights on fresh places, then the same night once more."""
    with served_pages(rows // accounts, PAGE_SIZE) as url:
        with tempfile.TemporaryDirectory() as folder:
            prepare(folder, accounts)
            part = measured(plain, folder, url)
            table(f"{accounts} accounts, steps alone", rows, part.result, part.seconds, part.peak_mb)
            print(f"    {'warehouse, all its processes':30s} {warehouse_memory(folder):22.0f} MB")
            EmbeddedServer(Path(folder) / "data" / "warehouse").destroy()
        if not dagster_too:
            return
        with tempfile.TemporaryDirectory() as folder:
            prepare(folder, accounts)
            whole = measured(night, folder, url)
            table(f"{accounts} accounts, nightly job", rows, whole.result, whole.seconds, whole.peak_mb)
            again = measured(night, folder, url)
            table(f"{accounts} accounts, job again", rows, again.result, again.seconds, again.peak_mb)
            EmbeddedServer(Path(folder) / "data" / "warehouse").destroy()


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    print(f"{asked.rows:,} rows of {asked.accounts} accounts, {multiprocessing.cpu_count()} cores")
    play(asked.accounts, asked.rows)
    few = max(1, asked.accounts // 100)
    play(few, asked.rows // 100, dagster_too=False)
    play(few, asked.rows, dagster_too=False)
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
