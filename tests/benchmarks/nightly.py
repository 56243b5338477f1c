"""Benchmark ``nightly``: the whole job for one day, page server to daily files, with the share of each stage.

    python tests/benchmarks/nightly.py [--accounts 1000] [--rows 1000000]

The limit is the same steps called one after the other without Dagster. The share of Dagster is the job's time outside
of its steps: definitions, instance, plan, events. The night is repeated (nothing has changed) with one shard, four and
sixteen, each several times; the run with the least processor time counts. Then one record in a hundred has changed, of
days that are sealed by then. The last table shows how the night grows: a
tenth of the rows over a hundredth, a tenth and all of the accounts.
"""

import argparse
import multiprocessing
import resource
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from measuring import Measured, measured
from served_pages import served_pages

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.seal_days import SealRequest, seal_days
from cdr_pipeline.steps.operations.night_report import night_report
from cdr_pipeline.steps.reconciliation.controls import control_day
from cdr_pipeline.steps.reconciliation.reconcile_day import ReconcileRequest, reconcile_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.register_uploads import register_dropped_files
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

DAY = date(2026, 3, 2)
PAGE_SIZE = 500


SHARDS = (1, 4, 16)
REPEATED = 3


def settings_for(folder: str, url: str, shards: int = 1) -> Settings:
    """A place with its own embedded warehouse and Dagster instance."""
    return Settings(
        DAGSTER_HOME=Path(folder) / "dagster_home",  # pyright: ignore[reportCallIssue]
        data_dir=Path(folder) / "data", api_url=url, api_token="t" * 32,
        api_dialect="k5", api_page_size=PAGE_SIZE, api_requests_per_second=10_000,
        api_host_requests_per_second=100_000, collect_concurrency=8, collect_overlap_hours=0, first_date="2026-03-01",
        night_shards=shards,
    )  # fmt: skip


def prepare(folder: str, accounts: int) -> None:
    """Starts the warehouse and makes the accounts known."""
    ctx = RunContext.open(settings_for(folder, "http://127.0.0.1:9"))
    with ctx.ledger() as ledger:
        for number in range(accounts):
            # Known since now: no other night is missing, of which the report would have to speak.
            ledger.accounts.add(Account(f"a{number:04d}", country_code="1"), now=ctx.clock())


def plain(folder: str, url: str) -> dict[str, float]:
    """The limit: the steps of a night without Dagster, with their seconds."""
    ctx = RunContext.open(settings_for(folder, url))
    stages: dict[str, float] = {}

    def timed(name: str, step: Any, *args: Any) -> Any:
        begun = time.perf_counter()
        result = step(*args)
        stages[name] = time.perf_counter() - begun
        return result

    collected = timed("api_pages", collect_day, CollectRequest(DAY), ctx)
    assert not collected.failures, collected.failures[0]
    timed("uploads", register_dropped_files, ctx)
    loaded = timed("load", load_day, LoadRequest(DAY), ctx)
    assert not loaded.failures, loaded.failures[0]
    timed("reconciliation", reconcile, ctx)
    timed("daily_files", export_days, ExportRequest([DAY]), ctx)
    sealed = timed("sealed_days", seal_days, SealRequest(), ctx)
    assert {day.outcome for day in sealed} == {"sealed"}, sealed[0]
    timed("delivered_files", deliver_files, DeliverRequest(), ctx)
    timed("night_report", night_report, DAY, ctx)
    return stages


def reconcile(ctx: RunContext) -> None:
    """What the asset ``reconciliation`` does, where no carrier has sent anything."""
    reconcile_day(ReconcileRequest(DAY, changed_days=True), ctx)
    control_day(DAY, ctx)


def night(folder: str, url: str, shards: int = 1) -> dict[str, float]:
    """The job as ``cdr-pipeline nightly`` runs it, with the seconds of its steps and of itself."""
    from cdr_pipeline.defs.operations.night import run_night  # noqa: PLC0415 - the limit runs without it

    begun = time.perf_counter()
    done = run_night(DAY, settings_for(folder, url, shards))
    assert done.succeeded, done.step_errors
    steps = dict(done.step_seconds)
    return {**steps, "dagster": time.perf_counter() - begun - sum(steps.values())}


def table(name: str, rows: int, part: Measured) -> None:
    """One night: rate, peak and processor time of its process, and each stage with its share of the stages."""
    whole = sum(part.result.values())
    print(
        f"{name:34s} {part.seconds:8.1f} s {rows / part.seconds:9,.0f} rows/s {part.peak_mb:6.0f} MB"
        f" {part.processor_seconds:6.1f} s of processor"
    )
    for stage, seconds in part.result.items():
        print(f"    {stage:30s} {seconds:8.1f} s {seconds / whole:8.1%}", flush=True)


@contextmanager
def watched_warehouse(folder: str) -> Generator[list[float]]:
    """The memory of the embedded server's processes together, in MB, every other second of the block."""
    with RunContext.open(settings_for(folder, "http://127.0.0.1:9")).ledger() as ledger:
        ((data,),) = ledger.connection.execute("SHOW data_directory").fetchall()
    leader = (Path(data) / "postmaster.pid").read_text().split()[0]
    seen, over = [warehouse_memory(leader)], threading.Event()

    def watch() -> None:
        while not over.wait(2):
            seen.append(warehouse_memory(leader))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()


def warehouse_memory(leader: str) -> float:
    """Memory of a server's processes now, shared pages counted once, in MB."""
    total = 0
    for state in Path("/proc").glob("[0-9]*/smaps_rollup"):
        try:
            parent = (state.parent / "stat").read_text().rpartition(")")[2].split()[1]
            if leader in (parent, state.parent.name):
                total += sum(int(row.split()[1]) for row in state.read_text().splitlines() if row.startswith("Pss:"))
        except OSError:
            continue
    return total / 1024


def play(accounts: int, rows: int) -> None:
    """The night without Dagster, with it, and with it once more when nothing has changed; each with its memory."""
    with served(accounts, rows) as url:
        with place(accounts) as folder:
            table(f"{accounts} accounts, steps alone", rows, measured(plain, folder, url))
        with place(accounts) as folder:
            with watched_warehouse(folder) as seen:
                table(f"{accounts} accounts, nightly job", rows, measured(night, folder, url))
            print(f"    {'warehouse, all its processes':30s} {'':29s} {max(seen):6.0f} MB", flush=True)
            for shards in SHARDS:
                parts = [measured(night, folder, url, shards) for _ in range(REPEATED)]
                least = min(parts, key=lambda part: part.processor_seconds)
                table(f"{accounts} accounts, job again, shards: {shards}", rows, least)
            with urlopen(f"{url}/change") as reply:  # noqa: S310 - the benchmark's own server
                reply.read()
            table(f"{accounts} accounts, job, 1 % changed", rows, measured(night, folder, url))


def grow(accounts: int, rows: int) -> None:
    """The job with the same rows over more and more accounts, and what each account adds."""
    print(f"{rows:,} rows over more and more accounts, nightly job")
    for number in (max(1, accounts // 100), max(1, accounts // 10), accounts):
        with served(number, rows) as url, place(number) as folder:
            part = measured(night, folder, url)
            steps = "  ".join(f"{name} {seconds:.1f}" for name, seconds in part.result.items() if seconds >= 0.1)
            print(f"{number:8d} accounts {part.seconds:8.1f} s {part.peak_mb:6.0f} MB   {steps}", flush=True)


def served(accounts: int, rows: int) -> AbstractContextManager[str]:
    """The address of a server whose accounts have all the rows together."""
    return served_pages(rows // accounts, min(PAGE_SIZE, rows // accounts))


@contextmanager
def place(accounts: int) -> Generator[str]:
    """A fresh folder with a warehouse that knows the accounts."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder, accounts)
        try:
            yield folder
        finally:
            EmbeddedServer(Path(folder) / "data" / "warehouse").destroy()


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    print(f"{asked.rows:,} rows of {asked.accounts} accounts, {multiprocessing.cpu_count()} cores")
    play(asked.accounts, asked.rows)
    grow(asked.accounts, asked.rows // 10)
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
