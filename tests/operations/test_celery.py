"""Steps that are run by two Celery workers over a real broker, as the shipped configuration says."""

import re
import shutil
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.nights import DAY, playing, records_of, require_sound, truth_of
from tests.support.services import PATIENCE, Services, dagster_storage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="no broker here: redis-server is not installed"),
    pytest.mark.skipif(find_spec("dagster_celery") is None, reason="the extra celery is not installed"),
    pytest.mark.skipif(find_spec("dagster_postgres") is None, reason="the extra postgres is not installed"),
]
WORKERS = ("one", "two")


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=20, accounts=2)


@pytest.fixture
def place(ctx: RunContext, switch: SimulatedSwitch) -> Iterator[RunContext]:
    with run_switch(switch) as running:
        yield playing(ctx, switch, running.url, collect_reread_days=0)


@pytest.fixture
def services(
    place: RunContext, switch: SimulatedSwitch, embedded_server: EmbeddedServer, tmp_path: Path
) -> Iterator[Services]:
    settings = {
        "CDR_DATA_DIR": str(place.settings.data_dir),
        "CDR_WAREHOUSE_URL": place.url,
        "CDR_API_URL": place.settings.api_url or "",
        "CDR_API_TOKEN": switch.token,
        "CDR_COLLECT_REREAD_DAYS": "0",
        "CDR_NIGHT_SHARDS": "2",
    }
    (tmp_path / "services").mkdir()
    with dagster_storage(embedded_server) as url, Services(tmp_path / "services", url, settings) as made:
        made.start_broker()
        yield made


def first_with_a_step(services: Services) -> str:
    """The worker that receives a step first."""
    deadline = time.monotonic() + PATIENCE
    while services.running["run"].poll() is None and time.monotonic() < deadline:
        for name in WORKERS:
            assert services.running[name].poll() is None, output(services, name)[-2000:]
            if " received" in output(services, name):
                return name
        time.sleep(0.05)
    raise AssertionError(output(services, "run")[-2000:])


def output(services: Services, name: str) -> str:
    return services.log(name).read_text(errors="replace")


def test_two_workers_share_steps_and_a_stopped_one_ends_its_own(
    services: Services, place: RunContext, switch: SimulatedSwitch
) -> None:
    # All import the definitions at the same time; the steps wait in the broker.
    for name in WORKERS:
        services.start_worker(name, wait=False)
    run = services.run(
        "run", "dagster", "asset", "materialize", "--select", "api_pages,cdr,rejects", "-m",
        "cdr_pipeline.definitions", "--partition", DAY.isoformat(),
    )  # fmt: skip
    stopped = first_with_a_step(services)
    services.running[stopped].terminate()
    assert services.running[stopped].wait(PATIENCE) == 0
    assert "succeeded" in output(services, stopped).rpartition(" received")[2]
    assert run.wait(4 * PATIENCE) == 0, output(services, "run")[-3000:]
    assert "STEP_UP_FOR_RETRY" not in output(services, "run")
    assert set(records_of(place)) == truth_of(switch)
    require_sound(place)
    events = "".join(event for (event,) in services.events("SELECT event FROM event_logs"))
    assert {name for name in WORKERS if re.search(rf"{name}@", events)} == set(WORKERS)
