"""Backfills that are killed and resumed, and days that are sealed meanwhile."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.operations.doctor import check_up
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.databases import copied_database
from tests.support.played import DAY, hashes, playing, run_job, table_of_records

# 400 days take half an hour: CDR_TEST_BACKFILL_DAYS=400 .ci/exhaustive -n 0 --timeout 7200 -k backfill
MANY_DAYS = int(os.environ.get("CDR_TEST_BACKFILL_DAYS", "12"))
_PROGRESS = """
    SELECT (SELECT count(*) FROM windows) + (SELECT count(*) FROM windows WHERE state = 'loaded')
        + (SELECT count(*) FROM export_files)
"""


@pytest.mark.fault("G03")
@pytest.mark.parametrize(
    ("days", "kills"),
    [
        pytest.param(3, 1, marks=pytest.mark.slow),
        pytest.param(MANY_DAYS, 4, marks=[pytest.mark.exhaustive, pytest.mark.timeout(900)]),
    ],
    ids=["few", "many"],
)
def test_a_backfill_killed_at_random_and_resumed_ends_as_a_clean_one(
    settings: Settings, embedded_server: EmbeddedServer, tmp_path: Path, days: int, kills: int
) -> None:
    switch = SimulatedSwitch.build(calls_per_day=6)
    chance = random.Random(3)
    first, last = str(DAY - timedelta(days=days - 1)), str(DAY)
    with playing(settings, switch) as killed, copied_database(embedded_server) as url:
        whole = 3 * days * len(switch.accounts)
        for number in range(kills):
            process = _backfill(killed, first, last)
            _await_progress(killed, process, whole * (number + chance.random()) / kills)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            check_up(killed, fix=True, quiet=timedelta(0))
        assert _backfill(killed, first, last).wait() == 0
        fresh = settings.model_copy(update={"warehouse_url": SecretStr(url), "data_dir": tmp_path / "clean"})
        with playing(fresh, switch) as clean:
            assert _backfill(clean, first, last).wait() == 0
            assert hashes(clean) == hashes(killed)
            assert table_of_records(clean) == table_of_records(killed)
            assert len(hashes(clean)) >= days * len(switch.accounts)


@pytest.mark.slow
def test_a_backfill_over_a_sealed_day_changes_no_byte_of_it(settings: Settings) -> None:
    with playing(settings, SimulatedSwitch.build(calls_per_day=10)) as played, open_instance(played) as instance:
        assert run_job(played, instance, DAY).success
        seal_days(SealRequest([DAY], override=Override("a person", "for the test")), RunContext.open(played))
        files = {path: path.read_bytes() for path in played.export_dir.rglob(f"*{DAY}*") if path.is_file()}
        assert run_job(played, instance, DAY).success
        assert files
        assert {path: path.read_bytes() for path in files} == files


def _await_progress(settings: Settings, process: "subprocess.Popen[bytes]", so_far: float) -> None:
    """Until so many windows have landed, windows been loaded and files been written, all together."""
    with RunContext.open(settings).ledger() as ledger:
        while True:
            ((done,),) = ledger.connection.execute(_PROGRESS).fetchall()
            if done >= so_far:
                return
            assert process.poll() is None, f"ended with {process.returncode} at {done} of {so_far}"
            time.sleep(0.05)


def _backfill(settings: Settings, first: str, last: str) -> "subprocess.Popen[bytes]":
    assert settings.api_token
    assert settings.warehouse_url
    environment = os.environ | {
        "CDR_API_URL": str(settings.api_url),
        "CDR_API_TOKEN": settings.api_token.get_secret_value(),
        "CDR_API_REQUESTS_PER_SECOND": "10000",
        "CDR_API_HOST_REQUESTS_PER_SECOND": "100000",
        "CDR_WAREHOUSE_URL": settings.warehouse_url.get_secret_value(),
        "CDR_DATA_DIR": str(settings.data_dir),
        "DAGSTER_HOME": str(settings.dagster_home),
        "CDR_STEP_RETRY_SECONDS": "0",
    }
    program = Path(__file__).parents[1] / "support/backfilling.py"
    return subprocess.Popen(
        [sys.executable, str(program), first, last],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
