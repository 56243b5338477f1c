"""Benchmark ``night_stages``: processor time of each stage of a night of small accounts, the page server counted apart.

    python tests/benchmarks/night_stages.py [--accounts 300] [--rows 100]

The steps run without Dagster, in this process: a first night, the same night again, and one in which a record in a
hundred has changed, of days that are sealed by then. Milliseconds an account: of this process, of the warehouse's
processes and of the page server. Processor time says more than seconds on a machine that does other work. Linux only.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from nightly import DAY, PAGE_SIZE, place, reconcile, settings_for
from served_pages import served_pages

from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.seal_days import SealRequest, seal_days
from cdr_pipeline.steps.operations.night_report import night_report
from cdr_pipeline.steps.run_context import RunContext

_TICKS = os.sysconf("SC_CLK_TCK")


def family_seconds(parent: int, *, itself: bool) -> float:
    """Processor seconds of the children of a process, dead ones included; with ``itself`` those of the process too."""
    total = 0.0
    for state in Path("/proc").glob("[0-9]*/stat"):
        try:
            user, system, dead_user, dead_system = map(int, (found := _fields(state))[11:15])
        except OSError:
            continue
        if int(state.parent.name) == parent:
            total += dead_user + dead_system + (user + system if itself else 0)
        elif found[1] == str(parent):
            total += user + system
    return total / _TICKS


def _fields(state: Path) -> list[str]:
    return state.read_text().rpartition(")")[2].split()


class Stages:
    """Prints the processor time of each step since the one before.

    Args:
        accounts: number of accounts.
        leader: process id of the warehouse's first process.
    """

    def __init__(self, accounts: int, leader: int) -> None:
        self._accounts = accounts
        self._leader = leader
        self._last = self._now()
        self._first = self._last

    def _now(self) -> tuple[float, float, float]:
        # Connections end a little later than the step that used them.
        time.sleep(1)
        pages = family_seconds(os.getpid(), itself=False)
        return time.process_time(), family_seconds(self._leader, itself=True), pages

    def run(self, name: str, step: Callable[..., Any], *args: Any) -> Any:
        """Runs a step and prints its line."""
        result = step(*args)
        before, self._last = self._last, self._now()
        self._print(name, before)
        return result

    def total(self) -> None:
        """Prints the line of all steps."""
        self._print("together", self._first)

    def _print(self, name: str, before: tuple[float, float, float]) -> None:
        used = [(now - then) / self._accounts * 1000 for now, then in zip(self._last, before, strict=True)]
        print(f"{name:16s}" + "".join(f"{part:10.2f}" for part in used), flush=True)


def night(name: str, folder: str, url: str, accounts: int) -> None:
    """One night, its lines printed."""
    ctx = RunContext.open(settings_for(folder, url))
    with ctx.ledger() as ledger:
        ((data,),) = ledger.connection.execute("SHOW data_directory").fetchall()
    print(f"{name + ', ms':16s}{'process':>10s}{'warehouse':>10s}{'pages':>10s}")
    stages = Stages(accounts, int((Path(data) / "postmaster.pid").read_text().split()[0]))
    collected = stages.run("collect", collect_day, CollectRequest(DAY), ctx)
    assert not collected.failures, collected.failures[0]
    loaded = stages.run("load", load_day, LoadRequest(DAY), ctx)
    assert not loaded.failures, loaded.failures[0]
    stages.run("reconcile", reconcile, ctx)
    exported = stages.run("files", export_days, ExportRequest([DAY]), ctx)
    assert all(day.file for day in exported), exported[0]
    sealed = stages.run("seal", seal_days, SealRequest(), ctx)
    assert {day.outcome for day in sealed} <= {"sealed"}, sealed[0]
    stages.run("report", night_report, DAY, ctx)
    stages.total()


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--rows", type=int, default=100, help="records of each account")
    asked = parser.parse_args()
    with served_pages(asked.rows, min(PAGE_SIZE, asked.rows)) as url, place(asked.accounts) as folder:
        night("first", folder, url, asked.accounts)
        night("again", folder, url, asked.accounts)
        with urlopen(f"{url}/change") as reply:  # noqa: S310 - the benchmark's own server
            reply.read()
        night("changed", folder, url, asked.accounts)


if __name__ == "__main__":
    main()
