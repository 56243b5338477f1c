"""A step whose machine has died is seen from every machine, and its run ends within minutes."""

import time
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import dagster as dg
import psycopg
import pytest
from pydantic import SecretStr

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.coordinator import COORDINATOR, with_run_lease
from cdr_pipeline.defs.dagster_private import RetryMode
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.operations.doctor import check_up
from cdr_pipeline.defs.process import own_process
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors import WarehouseUnavailable
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations import step_leases
from cdr_pipeline.steps.operations.step_leases import expired_leases, kept_lease, kept_run_lease
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.operations.leases import RunningStep

ELSEWHERE = "other.example:17:4711"
SHARD = "load.load_shard[003]"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_leases, "EXPIRED_SECONDS", 0.5)


@pytest.fixture
def celery(settings: Settings) -> Settings:
    return settings.model_copy(update={"executor": "multiprocess"})


@pytest.fixture
def instance(celery: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(celery) as opened:
        yield opened


def lost_run(
    settings: Settings, instance: dg.DagsterInstance, tags: dict[str, str] | None = None, step: str = SHARD
) -> str:
    """A run whose step, or whose coordinator, was on a machine that is gone."""
    job = build_definitions(settings).resolve_job_def("nightly")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    with RunContext.open(settings).ledger() as ledger:
        ledger.leases.open(RunningStep(run.run_id, step, ELSEWHERE))
    time.sleep(0.6)
    return run.run_id


def state(instance: dg.DagsterInstance, run_id: str) -> tuple[dg.DagsterRunStatus, dict[str, str]]:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status, dict(run.tags)


@pytest.mark.usefixtures("quick")
def test_a_step_renews_its_lease_until_it_ends(ctx: RunContext) -> None:
    step = RunningStep("a-run", "api_pages", ELSEWHERE)
    with kept_lease(step, ctx, renew_seconds=0.1):
        time.sleep(0.8)
        assert expired_leases(ctx) == []
        with ctx.ledger() as ledger:
            assert [(lease.run_id, lease.step) for lease in ledger.leases.expired(0)] == [("a-run", "api_pages")]
    with ctx.ledger() as ledger:
        assert ledger.leases.expired(-60) == []


def test_a_step_goes_on_while_its_lease_cannot_be_renewed(ctx: RunContext, warehouse_url: str) -> None:
    with kept_lease(RunningStep("a-run", "load", ELSEWHERE), ctx, renew_seconds=0.1):
        with psycopg.connect(warehouse_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE step_leases RENAME TO hidden")
            time.sleep(0.3)
            connection.execute("ALTER TABLE hidden RENAME TO step_leases")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("step", "name"), [(SHARD, f"step {SHARD}"), (COORDINATOR, "coordinator")])
def test_doctor_names_the_lost_step_and_its_machine(
    celery: Settings, instance: dg.DagsterInstance, step: str, name: str
) -> None:
    run_id = lost_run(celery, instance, step=step)
    (found,) = [item for item in check_up(celery, fix=False).problems if item.code == "run_without_process"]
    assert f"its {name} on other.example" in found.what
    assert state(instance, run_id)[0] is dg.DagsterRunStatus.STARTED
    fixed = check_up(celery, fix=True)
    assert [item.code for item in fixed.fixed] == ["run_without_process"]
    assert state(instance, run_id)[0] is dg.DagsterRunStatus.FAILURE
    assert not [item for item in check_up(celery, fix=False).problems if item.code == "run_without_process"]


@pytest.mark.usefixtures("quick")
def test_the_sensor_ends_a_lost_run_with_every_executor(celery: Settings, instance: dg.DagsterInstance) -> None:
    run_id = lost_run(celery, instance)
    sensor = build_definitions(celery, contexts=RunContexts(celery)).resolve_sensor_def("dead_runs")
    assert "1 run ended" in str(sensor(dg.build_sensor_context(instance=instance)))
    status, tags = state(instance, run_id)
    assert status is dg.DagsterRunStatus.FAILURE
    assert (tags["dagster/max_retries"], tags["dagster/retry_strategy"]) == ("1", "ALL_STEPS")
    assert "every run has its process" in str(sensor(dg.build_sensor_context(instance=instance)))


@pytest.mark.usefixtures("quick")
def test_a_run_whose_coordinator_never_had_a_lease_is_ended(
    celery: Settings, instance: dg.DagsterInstance, warehouse_url: str
) -> None:
    job = build_definitions(celery).resolve_job_def("nightly")
    lost, living = (instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id for _ in range(2))
    sensor = build_definitions(celery, contexts=RunContexts(celery)).resolve_sensor_def("dead_runs")
    assert "every run has its process" in str(sensor(dg.build_sensor_context(instance=instance)))
    # The warehouse answers again, and the coordinator that lives opens its lease and keeps it.
    with RunContext.open(celery).ledger() as ledger:
        ledger.leases.renew(RunningStep(living, COORDINATOR, ELSEWHERE))
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        later = "CASE process WHEN '' THEN interval '-1 hour' ELSE interval '1 hour' END"
        connection.execute(f"UPDATE step_leases SET renewed_at = renewed_at + {later}")
    (found,) = [item for item in check_up(celery, fix=False).problems if item.code == "run_without_process"]
    assert lost in found.what
    assert "its coordinator gives no sign of life" in found.what
    assert "1 run ended" in str(sensor(dg.build_sensor_context(instance=instance)))
    status, tags = state(instance, lost)
    assert (status, tags["dagster/max_retries"]) == (dg.DagsterRunStatus.FAILURE, "1")
    assert state(instance, living)[0] is dg.DagsterRunStatus.STARTED


@pytest.mark.usefixtures("quick")
def test_a_run_that_was_repeated_twice_is_not_repeated_again(celery: Settings, instance: dg.DagsterInstance) -> None:
    run_id = lost_run(celery, instance, {"dagster/retry_number": "2"})
    sensor = build_definitions(celery, contexts=RunContexts(celery)).resolve_sensor_def("dead_runs")
    sensor(dg.build_sensor_context(instance=instance))
    status, tags = state(instance, run_id)
    assert (status, "dagster/max_retries" in tags) == (dg.DagsterRunStatus.FAILURE, False)


@pytest.mark.usefixtures("quick")
def test_the_lease_of_an_ended_run_is_removed(celery: Settings, instance: dg.DagsterInstance) -> None:
    run_id = lost_run(celery, instance)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_failed(run)
    sensor = build_definitions(celery, contexts=RunContexts(celery)).resolve_sensor_def("dead_runs")
    assert "every run has its process" in str(sensor(dg.build_sensor_context(instance=instance)))
    with RunContext.open(celery).ledger() as ledger:
        assert ledger.leases.expired(-60) == []


class Submitting(dg.Executor):
    """Looks into the warehouse instead of executing steps."""

    def __init__(self, ctx: RunContext) -> None:
        self.ctx = ctx
        self.broker = "a broker"

    @property
    def retries(self) -> RetryMode:
        return RetryMode.DISABLED

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[Any]:
        assert (plan_context.run_id, execution_plan) == ("a-run", None)
        deadline = time.monotonic() + 20
        while not (found := leases_of(self.ctx)) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield found


def leases_of(ctx: RunContext) -> list[tuple[str, str]]:
    with ctx.ledger() as ledger:
        return [(lease.run_id, lease.step) for lease in ledger.leases.expired(-60)]


def test_the_coordinator_of_a_run_has_a_lease(celery: Settings, ctx: RunContext) -> None:
    submitting = dg.ExecutorDefinition(name="submitting", executor_creation_fn=lambda _: Submitting(ctx))
    create: Any = with_run_lease(submitting, RunContexts(celery)).executor_creation_fn
    executor = create(None)
    assert (executor.retries, executor.broker) == (RetryMode.DISABLED, "a broker")
    assert list(executor.execute(SimpleNamespace(run_id="a-run"), None)) == [[("a-run", COORDINATOR)]]
    assert leases_of(ctx) == []


def test_a_run_starts_and_ends_while_its_lease_cannot_be_opened(celery: Settings) -> None:
    def down() -> RunContext:
        raise WarehouseUnavailable("down")

    with kept_run_lease(RunningStep("a-run", COORDINATOR, ELSEWHERE), down, renew_seconds=0.05):
        time.sleep(0.2)
    assert leases_of(RunContext.open(celery)) == []


def test_a_step_that_is_running_elsewhere_is_not_executed_again(
    celery: Settings, ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dagster_celery")
    from celery.exceptions import Ignore  # noqa: PLC0415 - an optional extra

    from cdr_pipeline.defs import celery_app  # noqa: PLC0415

    arguments = SimpleNamespace(run_id="a-run", step_keys_to_execute=[SHARD])
    monkeypatch.setattr(celery_app, "load_settings", lambda: celery)
    monkeypatch.setattr(celery_app, "unpack_value", lambda *_, **__: arguments)
    monkeypatch.setattr(celery_app, "_execute", lambda *_: "executed")
    # As Dagster submits it.
    task: Any = celery_app.execute_plan
    run: Any = partial(task.run, execute_step_args_packed={}, executable_dict={})
    assert run() == "executed"
    with kept_lease(RunningStep("a-run", SHARD, ELSEWHERE), ctx), pytest.raises(Ignore):
        run()
    with kept_lease(RunningStep("a-run", SHARD, own_process()), ctx):
        assert run() == "executed"
        # The step itself reports that the warehouse is down, and is retried.
        down = celery.model_copy(update={"warehouse_url": SecretStr("postgresql://127.0.0.1:9/cdr")})
        monkeypatch.setattr(celery_app, "load_settings", lambda: down)
        assert run() == "executed"
