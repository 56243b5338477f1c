"""Failures: which are tried again by whom, what is left standing, and what a check-up finds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.jobs import NIGHTLY
from cdr_pipeline.defs.operations.dead_runs import dead_runs
from cdr_pipeline.defs.operations.doctor import check_up
from cdr_pipeline.defs.operations.night import run_night
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors import ConfigurationError, IncompleteNight
from cdr_pipeline.settings import Settings, load_settings
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.operations.night_report import night_report
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from tests.support.played import DAY, playing, run_job

CLI = "from cdr_pipeline.cli import main; main()"


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=10)


@pytest.fixture
def played(settings: Settings, switch: SimulatedSwitch) -> Iterator[Settings]:
    with playing(settings, switch) as made:
        yield made


def events(result: dg.ExecuteInProcessResult, kind: dg.DagsterEventType) -> list[str | None]:
    return [event.step_key for event in result.all_events if event.event_type is kind]


def retried(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether Dagster's own retries of runs, generously set, would take the run up again."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    generous = {"dagster/retry_on_asset_or_op_failure": "true"} | (
        {} if "dagster/max_retries" in run.tags else {"dagster/max_retries": "5"}
    )
    instance.add_run_tags(run_id, generous)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return auto_reexecution_should_retry_run(instance, run, RunFailureReason.STEP_FAILURE)


@pytest.mark.fault("G05")
def test_a_permanent_failure_is_tried_once_and_named_by_its_code(played: Settings) -> None:
    without = played.model_copy(update={"api_url": None})
    with open_instance(played) as instance:
        result = run_job(without, instance, DAY)
        assert not result.success
        assert events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY) == []
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.tags["cdr/failure"] == "configuration"
        assert not retried(instance, result.run_id)


@pytest.mark.slow
@pytest.mark.fault("G05")
def test_refused_credentials_are_not_retried_and_fail_the_check(played: Settings) -> None:
    from pydantic import SecretStr  # noqa: PLC0415 - only here

    refused = played.model_copy(update={"api_token": SecretStr("wrong")})
    with open_instance(played) as instance:
        result = run_job(refused, instance, DAY)
    assert events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY) == []
    (found,) = [item for item in find_problems(RunContext.open(played)) if item.code == "upstream_auth"]
    assert "first correct CDR_API_KEY" in found.what
    # These accounts have no common root whose name could try the credentials first.
    assert found.command.startswith(f"cdr-pipeline nightly --date {DAY}")


@pytest.mark.slow
def test_a_switch_that_is_down_is_retried_and_the_night_goes_on(played: Settings) -> None:
    down = played.model_copy(
        update={"api_url": "http://127.0.0.1:9", "api_dialect": "v2_k43", "api_timeout_seconds": 1}
    )
    folder = played.upload_dir / min(_accounts(played)) / "generic"
    folder.mkdir(parents=True)
    (folder / "day.csv").write_text("id,start_time,caller,callee,duration\nx1,2026-03-02 10:00:00,a,b,5\n")
    with open_instance(played) as instance:
        result = run_job(down, instance, DAY)
    assert events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY) == ["api_pages", "api_pages"]
    assert not result.success
    assert events(result, dg.DagsterEventType.STEP_FAILURE) == ["night_report"]
    red = {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}
    assert {"every_account_answered", "every_account_is_complete"} <= red
    report = night_report(DAY, RunContext.open(played))
    assert not report.good
    with RunContext.open(played).ledger() as ledger:
        assert ledger.connection.execute("SELECT count(*) FROM cdr WHERE origin = 'imported'").fetchall() == [(1,)]


def test_an_unforeseen_error_is_stored_without_its_own_words(played: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fall(*_: object) -> None:
        raise RuntimeError("value +15550101234 of a row")

    monkeypatch.setattr("cdr_pipeline.defs.days.daily_files.export_days", fall)
    with open_instance(played) as instance:
        result = run_job(played, instance, DAY)
    (failure,) = [event for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_FAILURE]
    said = str(failure.step_failure_data)
    assert "fault_of_the_program" in said
    assert "RuntimeError" in said
    assert "5550101234" not in said  # and so says the canary scan of Dagster's storage, after every test


@pytest.mark.fault("G11")
def test_one_account_that_fails_leaves_the_others_done_and_is_named(played: Settings, switch: SimulatedSwitch) -> None:
    with RunContext.open(played).ledger() as ledger:
        ledger.accounts.add(Account("unknown-to-the-switch"), now=datetime.now(UTC))
    night = run_night(DAY, played)
    assert set(night.step_errors) == {"night_report"}
    with pytest.raises(IncompleteNight, match="every_account_answered") as raised:
        night.require_whole()
    assert raised.value.exit_code == 9
    report = night_report(DAY, RunContext.open(played))
    assert report.incomplete == ("unknown-to-the-switch",)
    assert {account.account_id for account in report.accounts if account.path} >= {
        account.account_id for account in switch.accounts
    }
    (named,) = [item for item in report.broken if item.code == "upstream_account_not_found"]
    assert "--account unknown-to-the-switch" in named.command


@pytest.mark.slow
@pytest.mark.fault("G06")
def test_a_setting_that_is_wrong_is_named_before_anything_is_loaded(settings: Settings) -> None:
    environment = os.environ | {"CDR_NIGHTLY_AT": "25:99", "CDR_DATA_DIR": str(settings.data_dir)}
    for program in ("import cdr_pipeline.definitions", f"import sys; sys.argv[1:] = ['doctor']; {CLI}"):
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert "CDR_NIGHTLY_AT" in done.stderr


@pytest.mark.fault("G09")
@pytest.mark.parametrize(
    ("name", "value"), [("PANDERA_VALIDATION_ENABLED", "False"), ("PANDERA_VALIDATION_DEPTH", "SCHEMA_ONLY")]
)
def test_a_run_refuses_to_start_where_validation_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        load_settings()


@pytest.mark.fault("G04")
@pytest.mark.slow
def test_a_run_killed_by_sigkill_is_found_ended_and_its_night_taken_over(
    played: Settings, nights: list["subprocess.Popen[bytes]"]
) -> None:
    killed = _start_night(played)
    nights.append(killed)
    _await_run(played, killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    found = check_up(played, fix=False, quiet=timedelta(0))
    (dead,) = [item for item in found.problems if item.code == "run_without_process"]
    assert dead.command == "cdr-pipeline doctor --fix"
    repaired = check_up(played, fix=True, quiet=timedelta(0))
    assert [item.code for item in repaired.fixed] == ["run_without_process"]
    assert check_up(played, fix=True, quiet=timedelta(0)).fixed == ()
    with open_instance(played) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
    run_night(DAY, played).require_whole()


@pytest.mark.fault("G04")
@pytest.mark.slow
def test_the_daemon_ends_a_run_killed_by_sigkill_and_frees_its_pool_slot(
    played: Settings, nights: list["subprocess.Popen[bytes]"]
) -> None:
    running = _start_night(played)
    nights.append(running)
    later = RunContexts(played, clock=lambda: datetime.now(UTC) + timedelta(minutes=2))
    sensor = build_definitions(played, contexts=later).resolve_sensor_def("dead_runs")
    _await_run(played, running)
    with open_instance(played) as instance:
        (run,) = instance.get_runs()
        assert "every run has" in str(sensor(dg.build_sensor_context(instance=instance)))
        assert instance.event_log_storage.get_concurrency_run_ids() == {run.run_id}
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        assert instance.event_log_storage.get_concurrency_run_ids() == {run.run_id}
        assert "1 run ended" in str(sensor(dg.build_sensor_context(instance=instance)))
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
        assert instance.event_log_storage.get_concurrency_run_ids() == set()
    run_night(DAY, played).require_whole()


@pytest.mark.slow
@pytest.mark.fault("G04")
def test_a_run_that_stands_still_is_alive_and_left_alone(
    played: Settings, nights: list["subprocess.Popen[bytes]"]
) -> None:
    running = _start_night(played)
    nights.append(running)
    _await_run(played, running)
    os.kill(running.pid, signal.SIGSTOP)
    assert check_up(played, fix=True, quiet=timedelta(0)).fixed == ()


@pytest.mark.fault("G04")
@pytest.mark.parametrize(
    ("status", "dead"),
    [
        (dg.DagsterRunStatus.STARTING, True),  # its process never came
        (dg.DagsterRunStatus.STARTED, False),  # its first step waits for its place in a pool
    ],
)
def test_a_run_without_a_process_is_dead_only_before_it_has_started(
    settings: Settings, status: dg.DagsterRunStatus, dead: bool
) -> None:
    job = build_definitions(settings).resolve_job_def(NIGHTLY)
    with open_instance(settings) as instance:
        instance.create_run_for_job(job, status=status, tags={"dagster/partition": str(DAY)})
        later = datetime.now(UTC) + timedelta(hours=1)
        assert len(dead_runs(instance, later, timedelta(0))) == dead


@pytest.fixture
def nights() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Processes that end with the test, however it goes."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def _accounts(settings: Settings) -> list[str]:
    with RunContext.open(settings).ledger() as ledger:
        return [account.account_id for account in ledger.accounts.active()]


def _start_night(settings: Settings) -> "subprocess.Popen[bytes]":
    """The command, slowed down to one request a second, so that it is in the middle of it."""
    assert settings.api_token
    assert settings.warehouse_url
    environment = os.environ | {
        "CDR_API_URL": str(settings.api_url),
        "CDR_API_TOKEN": settings.api_token.get_secret_value(),
        "CDR_WAREHOUSE_URL": settings.warehouse_url.get_secret_value(),
        "CDR_DATA_DIR": str(settings.data_dir),
        "DAGSTER_HOME": str(settings.dagster_home),
        "CDR_API_PAGE_SIZE": "1",
        "CDR_API_REQUESTS_PER_SECOND": "0.5",
    }
    return subprocess.Popen(
        [sys.executable, "-c", CLI, "nightly", "--date", str(DAY)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _await_run(settings: Settings, process: "subprocess.Popen[bytes]") -> None:
    """Until the run is in a step and has its place in a pool."""
    for _ in range(600):
        assert process.poll() is None
        if (settings.dagster_home / "dagster.yaml").exists():
            with open_instance(settings) as instance:
                if instance.event_log_storage.get_concurrency_run_ids():
                    return
        time.sleep(0.1)
    raise AssertionError("the night did not begin")
