"""A run whose steps the broker has lost, or that no worker takes, is seen; a lost one ends and is repeated."""

import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import psycopg
import pytest

from cdr_pipeline.defs import celery_run
from cdr_pipeline.defs.broker import broker_state
from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.coordinator import COORDINATOR
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.operations import stalled_runs
from cdr_pipeline.defs.operations.doctor import check_up
from cdr_pipeline.defs.process import own_process
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations import step_leases
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.operations.leases import RunningStep
from tests.support.services import free_port

pytestmark = [
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="no broker here: redis-server is not installed"),
    pytest.mark.skipif(find_spec("dagster_celery") is None, reason="the extra celery is not installed"),
]
STEP = "load.load_shard[003]"
PASSWORD = "not-to-be-shown"
CODES = ("run_without_task", "no_worker", "broker_unavailable")


class Redis:
    """A Redis that forgets its tasks when it ends."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    @contextmanager
    def running(self) -> Generator[None]:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        with subprocess.Popen([*command, "--requirepass", PASSWORD], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert any("Ready to accept connections" in line for line in process.stdout)
            try:
                yield
            finally:
                process.kill()


@pytest.fixture(scope="module")
def redis() -> Redis:
    return Redis()


@pytest.fixture
def celery(settings: Settings, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    config = tmp_path / "executor.yaml"
    config.write_text("execution: {config: {broker: {env: CDR_TEST_BROKER}, backend: {env: CDR_TEST_BROKER}}}")
    monkeypatch.setenv("CDR_TEST_BROKER", redis.url)
    monkeypatch.setattr(stalled_runs, "STALLED", timedelta(0))
    monkeypatch.setattr(stalled_runs, "UNTAKEN", timedelta(0))
    return settings.model_copy(update={"executor": "celery", "executor_config": config})


@pytest.fixture
def instance(celery: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(celery) as opened:
        yield opened


def waiting_run(settings: Settings, instance: dg.DagsterInstance) -> str:
    """A run whose coordinator has submitted a step."""
    job = build_definitions(settings).resolve_job_def("nightly")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    instance.report_engine_event("Submitting", run, step_key=STEP)
    with RunContext.open(settings).ledger() as ledger:
        ledger.leases.open(RunningStep(run.run_id, COORDINATOR, own_process()))
    return run.run_id


def submit(redis: Redis, run_id: str) -> str:
    """Puts a task of the run into the broker as Dagster does; its id."""
    from dagster_celery.make_app import make_app  # noqa: PLC0415 - an optional extra

    app: Any = make_app({"broker": redis.url, "backend": redis.url})
    arguments = {"execute_step_args_packed": {"run_id": run_id}, "executable_dict": {}}
    name = "execute_plan"
    task = app.send_task(name, kwargs=arguments, queue="dagster", routing_key=f"dagster.{name}", priority=5)
    app.close()
    return task.id


def problems(settings: Settings, *, fix: bool = False) -> list[tuple[str, str]]:
    """Code and text of the problems with workers, those that were fixed first."""
    found = check_up(settings, fix=fix)
    return [(item.code, item.what) for item in (*found.fixed, *found.problems) if item.code in CODES]


def test_doctor_ends_a_run_whose_tasks_the_broker_has_lost(
    celery: Settings, instance: dg.DagsterInstance, redis: Redis
) -> None:
    run_id = waiting_run(celery, instance)
    with redis.running():
        submit(redis, run_id)
        ((code, text),) = problems(celery)
        assert code == "no_worker"
        assert f"waits for its step {STEP}, and no worker takes it" in text
    ((code, text),) = problems(celery)
    assert (code, PASSWORD in text) == ("broker_unavailable", False)
    with redis.running():
        ((code, text),) = problems(celery)
        assert (code, "the broker has no task of it" in text) == ("run_without_task", True)
        assert [code for code, _ in problems(celery, fix=True)] == ["run_without_task"]
        assert problems(celery) == []
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE


def test_the_sensor_repeats_a_run_whose_tasks_are_lost(
    celery: Settings, instance: dg.DagsterInstance, redis: Redis
) -> None:
    lost, waiting, running = (waiting_run(celery, instance) for _ in range(3))
    sensor = build_definitions(celery, contexts=RunContexts(celery)).resolve_sensor_def("dead_runs")
    with redis.running():
        submit(redis, waiting)
        with RunContext.open(celery).ledger() as ledger:
            ledger.leases.open(RunningStep(running, STEP, "other.example:17:4711"))
        assert "1 run ended" in str(sensor(dg.build_sensor_context(instance=instance)))
    ended = instance.get_run_by_id(lost)
    assert ended is not None
    assert (ended.status, ended.tags["dagster/max_retries"]) == (dg.DagsterRunStatus.FAILURE, "1")
    for run_id in (waiting, running):
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.STARTED


def test_a_broker_that_has_just_started_has_lost_nothing(
    celery: Settings, instance: dg.DagsterInstance, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting_run(celery, instance)
    with redis.running():
        later = RunContext.open(celery, clock=lambda: stalled_runs.datetime.now(stalled_runs.UTC) + timedelta(hours=1))
        assert len(stalled_runs.stalled_runs(instance, later).lost) == 1
        monkeypatch.setattr(stalled_runs, "STALLED", timedelta(minutes=3))
        assert stalled_runs.stalled_runs(instance, later).lost == []
        state = broker_state(celery)
        assert state is not None
        assert state.up_seconds < 100


class Task:
    """A task that has no result yet; each time it is sent it keeps its id."""

    def __init__(self) -> None:
        self.id = "a-task"
        self.sent: list[str | None] = []
        self.done = False

    def send(self, task_id: str | None) -> "Task":
        self.sent.append(task_id)
        return self

    def ready(self) -> bool:
        return self.done

    def get(self) -> object:
        return "events"

    def revoke(self) -> None: ...


@pytest.fixture
def submitted(
    celery: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Task, celery_run.SubmittedStep]:
    """A step of a run whose coordinator looks each time that it is called."""
    monkeypatch.setattr(celery_run, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(celery_run, "LOST_SECONDS", 0.0)
    run_id, task = waiting_run(celery, instance), Task()
    context: Any = SimpleNamespace(instance=instance, run_id=run_id, dagster_run=instance.get_run_by_id(run_id))
    watch = celery_run.RunWatch(context, lambda: RunContext.open(celery))
    return run_id, task, celery_run.SubmittedStep(STEP, task.send, watch)


def test_a_coordinator_does_not_wait_for_the_steps_of_an_ended_run(
    instance: dg.DagsterInstance, submitted: tuple[str, Task, celery_run.SubmittedStep]
) -> None:
    run_id, _, step = submitted
    assert not step.ready()
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_failed(run)
    assert step.ready()
    with pytest.raises(RuntimeError, match="ended from outside"):
        step.get()


def test_the_step_of_a_dead_worker_is_submitted_again_alone(
    celery: Settings,
    instance: dg.DagsterInstance,
    warehouse_url: str,
    submitted: tuple[str, Task, celery_run.SubmittedStep],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step_leases, "EXPIRED_SECONDS", 0.1)
    run_id, task, step = submitted
    sensor = build_definitions(celery, contexts=RunContexts(celery)).resolve_sensor_def("dead_runs")
    with RunContext.open(celery).ledger() as ledger:
        ledger.leases.open(RunningStep(run_id, STEP, "other.example:17:4711"))
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        renewed = "CASE step WHEN %s THEN interval '-60 s' ELSE interval '1 hour' END"
        connection.execute(f"UPDATE step_leases SET renewed_at = renewed_at + {renewed}", [STEP])
    # The coordinator lives: the sensor leaves the run to it.
    assert "every run has its process" in str(sensor(dg.build_sensor_context(instance=instance)))
    assert (step.ready(), task.sent) == (False, [None, task.id])
    assert [lease.step for lease in step_leases.leases_of_run(run_id, RunContext.open(celery))] == [COORDINATOR]
    events = [entry.user_message or entry.message for entry in instance.all_logs(run_id)]
    assert f"step {STEP} is submitted again: its process on other.example gives no sign of life" in events[-1]
    task.done = True
    assert (step.ready(), step.get()) == (True, "events")


def test_a_step_that_the_broker_forgot_is_submitted_again_twice(
    redis: Redis, submitted: tuple[str, Task, celery_run.SubmittedStep]
) -> None:
    run_id, task, step = submitted
    with redis.running():
        task.id = submit(redis, run_id)
        assert [step.ready() for _ in range(3)] == [False] * 3
        assert task.sent == [None]
    # A broker that is down has forgotten nothing.
    assert not step.ready()
    assert task.sent == [None]
    with redis.running():
        assert [step.ready() for _ in range(9)] == [False] * 9
    assert task.sent == [None, task.id, task.id]
