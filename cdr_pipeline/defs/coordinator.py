"""Keeps the lease of the process that coordinates a run.

With an executor that runs steps in other processes, the process of the run only submits steps and waits for them. If it
is killed between two steps, no step misses a lease. The run's own lease shows that on every machine.
"""

from collections.abc import Iterator
from typing import Any, Final, cast

import dagster as dg

from cdr_pipeline.defs.celery_run import execute_until_ended
from cdr_pipeline.defs.dagster_private import ExecutionPlan, PlanContext, RetryMode, StepDependencyConfig
from cdr_pipeline.defs.process import own_process
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.steps.operations.step_leases import kept_run_lease
from cdr_pipeline.warehouse.operations.leases import RunningStep

# Name of the lease of a run; no step has this name.
COORDINATOR: Final = "coordinator"


def with_run_lease(executor: dg.ExecutorDefinition, run_contexts: RunContexts) -> dg.ExecutorDefinition:
    """An executor that does the same and keeps the lease of its run. The name and the config stay."""
    create = executor.executor_creation_fn
    if create is None:
        return executor
    return dg.ExecutorDefinition(
        name=executor.name,
        config_schema=cast("Any", executor.config_schema),
        requirements=executor.get_requirements,
        executor_creation_fn=lambda context: _LeasedExecutor(create(context), executor.name, run_contexts),
        description=executor.description,
    )


class _LeasedExecutor(dg.Executor):
    """Delegates to an executor and keeps the lease of the run."""

    def __init__(self, executor: dg.Executor, name: str, run_contexts: RunContexts) -> None:
        self._executor = executor
        self._distributed = name == "celery"
        self._run_contexts = run_contexts

    def __getattr__(self, name: str) -> object:
        # Dagster's executors read their own attributes from the context of the run.
        return getattr(self._executor, name)

    @property
    def retries(self) -> RetryMode:
        return self._executor.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._executor.step_dependency_config

    def execute(self, plan_context: PlanContext, execution_plan: ExecutionPlan) -> Iterator[dg.DagsterEvent]:
        step = RunningStep(plan_context.run_id, COORDINATOR, own_process())
        with kept_run_lease(step, self._run_contexts.open_without_run):
            if self._distributed:
                yield from execute_until_ended(plan_context, execution_plan, self._run_contexts.open_without_run)
            else:
                yield from self._executor.execute(plan_context, execution_plan)
