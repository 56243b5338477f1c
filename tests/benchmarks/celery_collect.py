"""Benchmark ``celery_collect``: collection of a night by 1, 2 and 4 Celery workers, with a switch that answers late.

    python tests/benchmarks/celery_collect.py [--accounts 16] [--latency 5]

Every worker is a process with one step at a time, as on a small machine of its own; Redis is the broker, Dagster's
storage is in PostgreSQL. Each account is a shard or nearly so. A worker waits for the switch most of the time, so that
the cores of one machine do not limit four of them. The phase lasts from the start of the first shard to the end of the
last; the time in shards is what they took together.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import uvicorn
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parents[2]))

from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator import running as simulator_running
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.run_context import RunContext, utc_now
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.migrate import upgrade
from tests.support.late_answers import answering_late
from tests.support.services import PATIENCE, Services, dagster_storage

DAY = date(2026, 3, 2)
WORKERS = (4, 2, 1)
_SECONDS = """
SELECT extract(epoch FROM max(ended) - min(started)), extract(epoch FROM sum(ended - started)), count(*)
FROM (
    SELECT
        min(timestamp) FILTER (WHERE dagster_event_type = 'STEP_START') AS started,
        max(timestamp) FILTER (WHERE dagster_event_type = 'STEP_SUCCESS') AS ended
    FROM event_logs
    WHERE step_key LIKE 'api_pages.%_shard[%' AND run_id = (SELECT run_id FROM runs ORDER BY id DESC LIMIT 1)
    GROUP BY step_key
) AS shards
"""


@contextmanager
def late_switch(accounts: int, latency: float) -> Generator[tuple[SimulatedSwitch, str]]:
    """A switch and its URL; each answer about records takes some seconds."""
    switch, config = SimulatedSwitch.build(calls_per_day=20, accounts=accounts), simulator_running.config

    def slowed(of: SimulatedSwitch, host: str, port: int) -> uvicorn.Config:
        made = config(of, host, port)
        made.app = answering_late(made.app, latency)
        return made

    simulator_running.config = slowed
    try:
        with run_switch(switch) as running:
            yield switch, running.url
    finally:
        simulator_running.config = config


def collected(services: Services, day: date) -> tuple[float, float, int]:
    """Collects a day: seconds of the phase, seconds of all shards together, number of shards."""
    name = f"collect_{day}"
    command = ["dagster", "asset", "materialize", "--select", "api_pages", "-m", "cdr_pipeline.definitions"]
    done = services.run(name, *command, "--partition", str(day))
    if done.wait(4 * PATIENCE) != 0:
        raise SystemExit(services.log(name).read_text(errors="replace")[-3000:])
    ((phase, shards, number),) = services.events(_SECONDS)
    return float(phase), float(shards), int(number)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=16)
    parser.add_argument("--latency", type=float, default=5.0, help="seconds of each answer about records")
    asked = parser.parse_args()
    machine = f"{multiprocessing.cpu_count()} cores, load {os.getloadavg()[0]:.0f}"
    print(f"{asked.accounts} accounts, {asked.latency:g} s an answer, {machine}", flush=True)
    with tempfile.TemporaryDirectory() as folder, late_switch(asked.accounts, asked.latency) as (switch, url):
        home = Path(folder)
        server = EmbeddedServer(home / "server")
        server.ensure_running()
        try:
            upgrade(server.url)
            measure(home, server, switch, url, asked.accounts)
        finally:
            server.destroy()


def measure(home: Path, server: EmbeddedServer, switch: SimulatedSwitch, url: str, shards: int) -> None:
    """Starts the services and collects a day with each number of workers."""
    made = Settings(data_dir=home / "data", warehouse_url=SecretStr(server.url), DAGSTER_HOME=home / "home")  # type: ignore[call-arg]
    with RunContext.open(made, clock=utc_now).ledger() as ledger:
        for account in switch.accounts:
            ledger.accounts.add(Account(account.account_id, time_zone=account.time_zone), now=utc_now())
    settings = {
        "CDR_DATA_DIR": str(home / "data"),
        "CDR_WAREHOUSE_URL": server.url,
        "CDR_API_URL": url,
        "CDR_API_TOKEN": switch.token,
        "CDR_API_REQUESTS_PER_SECOND": "100",
        "CDR_API_HOST_REQUESTS_PER_SECOND": "1000",
        "CDR_NIGHT_SHARDS": str(shards),
        "CDR_COLLECT_REREAD_DAYS": "0",
    }
    (home / "services").mkdir()
    with dagster_storage(server) as storage, Services(home / "services", storage, settings) as services:
        services.start_broker()
        names = [f"worker{number}" for number in range(max(WORKERS))]
        for name in names:
            services.start_worker(name, wait=False)
        for name in names:
            services.await_worker(name)
        # The first day of an account takes more requests than later ones.
        collected(services, DAY)
        for number, workers in enumerate(WORKERS, start=1):
            for name in names[workers:]:
                services.stop(name)
            del names[workers:]
            phase, together, count = collected(services, DAY + timedelta(days=number))
            print(
                f"workers {workers}: {phase:6.1f} s; {count} shards took {together:6.1f} s together,"
                f" {together / phase:4.2f} at a time",
                flush=True,
            )


if __name__ == "__main__":
    main()
