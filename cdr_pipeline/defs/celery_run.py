# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# Celery has no type hints.
"""Coordinates a run over Celery: hands steps of dead workers to others, and ends when the run was ended from outside.

Dagster's own loop waits for the result of each submitted step. If the worker has died or the broker has lost the task,
there never is a result. Here such a step is submitted again, alone, while the other steps of the run continue.
"""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol, cast

import dagster as dg

from cdr_pipeline.defs.broker import BrokerState, broker_state
from cdr_pipeline.defs.dagster_private import ExecuteStepArgs, ExecutionPlan, PlanContext, pack_value
from cdr_pipeline.errors import CdrError
from cdr_pipeline.steps.operations.step_leases import close_lease, leases_of_run
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.operations.leases import LeaseOfRun

# The state of the run and of its steps is looked up this often.
LOOK_SECONDS: Final = 15.0
# A step without result, lease and task for this long is lost. Between the end of a step and its result are seconds.
LOST_SECONDS: Final = 45.0
# A step that loses its worker this often is not submitted again: it may be the cause.
MOST_SUBMITTED: Final = 3

OpenContext = Callable[[], RunContext]


def execute_until_ended(
    plan_context: PlanContext, execution_plan: ExecutionPlan, open_context: OpenContext
) -> Iterator[dg.DagsterEvent]:
    """What ``dagster_celery.CeleryExecutor.execute`` does, except that lost steps are submitted again."""
    from dagster_celery.core_execution_loop import core_celery_execution_loop  # noqa: PLC0415 - an optional extra
    from dagster_celery.tasks import create_task  # noqa: PLC0415

    watch = RunWatch(plan_context, open_context)
    job = plan_context.reconstructable_job

    def submit(*arguments: object) -> SubmittedStep:
        """Submits a step as Dagster does, but can do so again under the same id."""
        app, _, step, queue, priority, known_state = cast("tuple[Any, ...]", arguments)
        packed = pack_value(
            ExecuteStepArgs(
                job_origin=job.get_python_origin(),
                run_id=plan_context.run_id,
                step_keys_to_execute=[step.key],
                instance_ref=plan_context.instance.get_ref(),
                retry_mode=plan_context.executor.retries.for_inner_plan(),
                known_state=known_state,
            )
        )
        task: Any = create_task(app)
        send = functools.partial(
            task.apply_async,
            kwargs={"execute_step_args_packed": packed, "executable_dict": job.to_dict()},
            priority=priority,
            queue=queue,
            routing_key=f"{queue}.execute_plan",
        )
        return SubmittedStep(step.key, lambda task_id: send(task_id=task_id), watch)

    yield from core_celery_execution_loop(plan_context, execution_plan, step_execution_fn=submit)


class _Result(Protocol):
    @property
    def id(self) -> str: ...
    def ready(self) -> bool: ...
    def get(self) -> object: ...
    def revoke(self) -> None: ...


class RunWatch:
    """Looks up, every few seconds, whether the run has ended and what has become of its steps.

    Attributes:
        ended: whether the run has ended.
        looks: number of looks that succeeded.
    """

    def __init__(self, plan_context: PlanContext, open_context: OpenContext) -> None:
        self._plan_context = plan_context
        self._open_context = open_context
        self._ctx: RunContext | None = None
        self._next_look = time.monotonic() + LOOK_SECONDS
        self._leases: dict[str, LeaseOfRun] = {}
        self._broker: BrokerState | None = None
        self.ended = False
        self.looks = 0

    def look(self) -> None:
        """Looks again if the last look was some seconds ago."""
        if self.ended or time.monotonic() < self._next_look:
            return
        run = self._plan_context.instance.get_run_by_id(self._plan_context.run_id)
        self.ended = run is None or run.is_finished
        try:
            self._ctx = self._ctx or self._open_context()
            # The broker before the leases: a step that ends meanwhile is seen in one of them.
            self._broker = broker_state(self._ctx.settings)
            self._leases = {lease.step: lease for lease in leases_of_run(self._plan_context.run_id, self._ctx)}
            self.looks += 1
        except CdrError:
            # Steps that need the warehouse report that it is down.
            self._ctx = None
        self._next_look = time.monotonic() + LOOK_SECONDS

    def dead_lease(self, step: str) -> LeaseOfRun | None:
        """Lease of a step whose process has not renewed it for two minutes."""
        lease = self._leases.get(step)
        return lease if lease is not None and lease.expired else None

    def has_no_trace(self, step: str, task_id: str) -> bool:
        """Whether no process runs a step and the broker has no task of it. Only Redis can be looked into."""
        broker = self._broker
        return step not in self._leases and broker is not None and not broker.error and not broker.has_task(task_id)

    def give_up(self, lease: LeaseOfRun) -> None:
        """Removes the lease of a dead process, so that another one executes the step."""
        close_lease(lease.running, self._ctx or self._open_context())

    def report(self, step: str, text: str) -> None:
        """Writes an event about a step into the run."""
        self._plan_context.instance.report_engine_event(text, self._plan_context.dagster_run, step_key=step)


class SubmittedStep:
    """A submitted step. Its result is there when it has ended, and at the latest when the run has."""

    def __init__(self, step: str, send: Callable[[str | None], _Result], watch: RunWatch) -> None:
        self._step = step
        self._send = send
        self._watch = watch
        self._result = send(None)
        self._submitted = 1
        self._looks = watch.looks
        self._no_trace_since: float | None = None

    def ready(self) -> bool:
        """Whether there is a result, or none is waited for; submits a lost step again."""
        if self._result.ready():
            return True
        self._watch.look()
        if self._watch.ended:
            return True
        if self._watch.looks > self._looks:
            self._looks = self._watch.looks
            self._submit_if_lost()
        return False

    def get(self) -> object:
        """Events of the step.

        Raises:
            RuntimeError: the run has ended and the step has not.
        """
        if not self._result.ready():
            raise RuntimeError("the run was ended from outside; its remaining steps are not waited for")
        return self._result.get()

    def revoke(self) -> None:
        """Withdraws the task."""
        self._result.revoke()

    def _submit_if_lost(self) -> None:
        if self._submitted >= MOST_SUBMITTED:
            return
        lease = self._watch.dead_lease(self._step)
        if lease is not None:
            self._watch.give_up(lease)
            self._submit_again(f"its process on {lease.host} gives no sign of life")
            return
        if not self._watch.has_no_trace(self._step, self._result.id):
            self._no_trace_since = None
            return
        self._no_trace_since = self._no_trace_since or time.monotonic()
        if time.monotonic() - self._no_trace_since >= LOST_SECONDS:
            self._submit_again("the broker has no task of it")

    def _submit_again(self, reason: str) -> None:
        # With the same id, a worker drops the old task if the broker delivers it after all.
        self._result = self._send(self._result.id)
        self._submitted += 1
        self._no_trace_since = None
        self._watch.report(self._step, f"step {self._step} is submitted again: {reason}")
