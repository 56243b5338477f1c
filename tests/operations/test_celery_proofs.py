"""Several Celery workers make a night shorter, and a night ends well whichever process is killed in it."""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
import uvicorn
from pydantic import SecretStr

from cdr_pipeline.defs.operations.night import run_night
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator import running as simulator_running
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.run_context import RunContext, utc_now
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.databases import copied_database
from tests.support.late_answers import answering_late
from tests.support.nights import DAY, playing, require_sound
from tests.support.played import hashes, table_of_records
from tests.support.services import PATIENCE, Services, dagster_storage

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="no broker here: redis-server is not installed"),
    pytest.mark.skipif(find_spec("dagster_celery") is None, reason="the extra celery is not installed"),
    pytest.mark.skipif(find_spec("dagster_postgres") is None, reason="the extra postgres is not installed"),
]
LATENCY = 2.0
ACCOUNTS = 8
PHASES = ("api_pages", "load", "reconciliation", "daily_files", "sealed_days", "delivered_files")
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


def note(*words: object) -> None:
    """Writes what happens to the report of the test."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {' '.join(map(str, words))}\n")


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=20, accounts=ACCOUNTS)


@pytest.fixture
def late(switch: SimulatedSwitch, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a switch that takes two seconds to answer for records."""
    config = simulator_running.config

    def slowed(of: SimulatedSwitch, host: str, port: int) -> uvicorn.Config:
        made = config(of, host, port)
        made.app = answering_late(made.app, LATENCY)
        return made

    monkeypatch.setattr(simulator_running, "config", slowed)
    with run_switch(switch) as running:
        yield running.url


@pytest.fixture
def place(ctx: RunContext, switch: SimulatedSwitch, late: str) -> RunContext:
    # The accounts are known since now: the daemon has no earlier night to repeat.
    return playing(replace(ctx, clock=utc_now), switch, late, collect_reread_days=0)


@pytest.fixture
def services(place: RunContext, embedded_server: EmbeddedServer, tmp_path: Path) -> Iterator[Services]:
    settings = {
        "CDR_DATA_DIR": str(place.settings.data_dir),
        "CDR_WAREHOUSE_URL": place.url,
        "CDR_API_URL": place.settings.api_url or "",
        "CDR_API_TOKEN": place.settings.api_token.get_secret_value() if place.settings.api_token else "",
        "CDR_API_REQUESTS_PER_SECOND": "100",
        "CDR_API_HOST_REQUESTS_PER_SECOND": "1000",
        "CDR_NIGHT_SHARDS": "8",
        "CDR_COLLECT_REREAD_DAYS": "0",
        "CDR_STEP_RETRY_SECONDS": "5",
        # No other night is due meanwhile, at any time of the day.
        "CDR_NIGHTLY_GRACE_MINUTES": "720",
    }
    (tmp_path / "services").mkdir()
    with dagster_storage(embedded_server) as url, Services(tmp_path / "services", url, settings) as made:
        made.start_broker()
        yield made


def collection_seconds(services: Services, day: str) -> float:
    """Time from the start of the first shard's collection to the end of the last one's."""
    name = f"collect_{day}"
    done = services.run(
        name, "dagster", "asset", "materialize", "--select", "api_pages", "-m", "cdr_pipeline.definitions",
        "--partition", day,
    )  # fmt: skip
    assert done.wait(4 * PATIENCE) == 0, services.log(name).read_text(errors="replace")[-3000:]
    ((seconds,),) = services.events(
        "SELECT extract(epoch FROM max(timestamp) - min(timestamp)) FROM event_logs"
        " WHERE dagster_event_type IN ('STEP_START', 'STEP_SUCCESS') AND step_key LIKE 'api_pages.%_shard[%'"
        " AND run_id = (SELECT run_id FROM runs ORDER BY id DESC LIMIT 1)"
    )
    return float(seconds)


def test_collection_is_faster_with_two_and_four_workers(services: Services) -> None:
    seconds: dict[int, float] = {}
    for number, name in enumerate(("one", "two", "three", "four"), start=1):
        services.start_worker(name)
        if number != 3:
            seconds[number] = collection_seconds(services, str(DAY + timedelta(days=number)))
    note("collection by number of workers:", seconds)
    assert seconds[2] < 0.7 * seconds[1]
    assert seconds[4] < 0.7 * seconds[2]


def alone(place: RunContext, server: EmbeddedServer, folder: Path) -> tuple[object, object]:
    """Records and files of the same night in one process."""
    with copied_database(server) as url:
        update = {
            "night_shards": 1,
            "warehouse_url": SecretStr(url),
            "data_dir": folder / "alone",
            "dagster_home": folder / "alone_home",
        }
        settings = place.settings.model_copy(update=update)
        with place.ledger() as ledger, RunContext.open(settings).ledger() as other:
            for account in ledger.accounts.all():
                other.accounts.add(account, now=place.clock())
        run_night(DAY, settings).require_whole()
        return table_of_records(settings), hashes(settings)


def launch(services: Services) -> None:
    """Queues the night; the daemon starts it."""
    tags = json.dumps({"dagster/partition": DAY.isoformat()})
    command = ["dagster", "job", "launch", "-w", str(services.home / "workspace.yaml"), "-j", "nightly", "--tags", tags]
    assert services.run("launch", *command).wait(PATIENCE) == 0, services.log("launch").read_text(errors="replace")


def worker_of(place: RunContext, services: Services, phase: str) -> str:
    """Name of a worker that is doing the work of a phase."""
    deadline = time.monotonic() + 4 * PATIENCE
    names = [name for name in services.running if (services.folder / f"scratch_{name}").exists()]
    with psycopg.connect(place.url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            for (holder,) in connection.execute(
                "SELECT process FROM step_leases WHERE step LIKE %s", [f"{phase}.{phase}_shard%"]
            ).fetchall():
                pid = int(holder.split(":")[1])
                for name in names:
                    if group_of(pid) == services.running[name].pid:
                        return name
            time.sleep(0.02)
    raise AssertionError(f"no worker came to {phase}")


def group_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[2])
    except FileNotFoundError:
        return None


def ended(services: Services) -> list[str]:
    """States of all nights, after the last one has ended and no other follows."""
    deadline, quiet = time.monotonic() + 60 * 60, 0
    while time.monotonic() < deadline:
        states = [
            row[0] for row in services.events("SELECT status FROM runs WHERE pipeline_name = 'nightly' ORDER BY id")
        ]
        if states and states[-1] == "SUCCESS" and set(states) <= set(ENDED):
            return states
        quiet = quiet + 1 if states and set(states) <= set(ENDED) else 0
        # Run retries are started within a minute.
        assert quiet < 60, (states, services.log("daemon").read_text(errors="replace")[-3000:])
        time.sleep(2)
    raise AssertionError("the night does not end")


def require_as_alone(place: RunContext, server: EmbeddedServer, folder: Path, settings: Settings) -> None:
    require_sound(place)
    assert (table_of_records(settings), hashes(settings)) == alone(place, server, folder)


@pytest.mark.parametrize("phases", [PHASES[:2], PHASES[2:4], PHASES[4:]], ids="-".join)
def test_a_night_ends_whose_workers_are_killed(
    services: Services, place: RunContext, embedded_server: EmbeddedServer, tmp_path: Path, phases: tuple[str, ...]
) -> None:
    for name in ("one", "two"):
        services.start_worker(name, wait=False)
    services.start_code_and_daemon()
    launch(services)
    for number, phase in enumerate(phases):
        name = worker_of(place, services, phase)
        services.kill(name)
        note(f"killed {name} in {phase}")
        services.start_worker(f"{name}{number}", wait=False)
    states = ended(services)
    note("runs:", states)
    assert states[-1] == "SUCCESS"
    require_as_alone(place, embedded_server, tmp_path, place.settings)


def test_a_night_ends_whose_broker_daemon_and_coordinator_are_killed(
    services: Services, place: RunContext, embedded_server: EmbeddedServer, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        services.start_worker(name, wait=False)
    services.start_code_and_daemon()
    launch(services)
    worker_of(place, services, "api_pages")
    services.kill("broker")
    services.kill("daemon")
    note("killed broker and daemon")
    time.sleep(5)
    services.start_broker()
    worker_of(place, services, "load")
    services.kill("code")
    note("killed the code server with the coordinator of the run")
    services.start_code_and_daemon()
    states = ended(services)
    note("runs:", states)
    assert states[-1] == "SUCCESS"
    require_as_alone(place, embedded_server, tmp_path, place.settings)


def test_a_night_ends_whose_broker_forgets_its_tasks(
    services: Services, place: RunContext, embedded_server: EmbeddedServer, tmp_path: Path
) -> None:
    services.kill("broker")
    services.start_broker(keep=False)
    for name in ("one", "two"):
        services.start_worker(name, wait=False)
    services.start_code_and_daemon()
    launch(services)
    worker_of(place, services, "api_pages")
    services.kill("broker")
    note("killed the broker with its tasks")
    services.start_broker(keep=False)
    states = ended(services)
    note("runs:", states)
    assert states == ["FAILURE", "SUCCESS"]
    require_as_alone(place, embedded_server, tmp_path, place.settings)
    deadline = time.monotonic() + PATIENCE
    while coordinators(services) and time.monotonic() < deadline:
        time.sleep(1)
    assert coordinators(services) == 0


def coordinators(services: Services) -> int:
    """Number of processes that coordinate runs: children of the code server that execute one."""
    group = services.running["code"].pid
    lines = [
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if group_of(int(path.parts[2])) == group
    ]
    return sum(b"spawn_main" in line for line in lines)
