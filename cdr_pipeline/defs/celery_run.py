# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# Celery has no type hints.
"""Coordinates a run over Celery until all its steps have ended, or the run itself.

Dagster's own loop waits for the result of each submitted step, even if the run was ended from outside meanwhile. If the
broker has lost the task, there never is a result, and the process of the run would stay for good.
"""

import time
from collections.abc import Iterator
from typing import Final, Protocol

import dagster as dg

from cdr_pipeline.defs.dagster_private import ExecutionPlan, PlanContext

# The end of the run is looked up this often.
LOOK_SECONDS: Final = 15.0


def execute_until_ended(plan_context: PlanContext, execution_plan: ExecutionPlan) -> Iterator[dg.DagsterEvent]:
    """What ``dagster_celery.CeleryExecutor.execute`` does, except that it gives up if the run has ended."""
    from dagster_celery.core_execution_loop import core_celery_execution_loop  # noqa: PLC0415 - an optional extra
    from dagster_celery.executor import _submit_task  # noqa: PLC0415  # pyright: ignore[reportPrivateUsage]

    run = _Run(plan_context.instance, plan_context.run_id)

    def submit(*arguments: object) -> "_Result":
        return _Result(_submit_task(*arguments), run)

    yield from core_celery_execution_loop(plan_context, execution_plan, step_execution_fn=submit)


class _Submitted(Protocol):
    def ready(self) -> bool: ...
    def get(self) -> object: ...
    def revoke(self) -> None: ...


class _Run:
    """Looks up whether a run has ended."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._instance = instance
        self._run_id = run_id
        self._next_look = time.monotonic() + LOOK_SECONDS
        self._ended = False

    def has_ended(self) -> bool:
        if not self._ended and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_SECONDS
            run = self._instance.get_run_by_id(self._run_id)
            self._ended = run is None or run.is_finished
        return self._ended


class _Result:
    """Result of a task, which is there at the latest when the run has ended."""

    def __init__(self, result: _Submitted, run: _Run) -> None:
        self._result = result
        self._run = run

    def ready(self) -> bool:
        return self._result.ready() or self._run.has_ended()

    def get(self) -> object:
        if not self._result.ready():
            raise RuntimeError("the run was ended from outside; its remaining steps are not waited for")
        return self._result.get()

    def revoke(self) -> None:
        self._result.revoke()
