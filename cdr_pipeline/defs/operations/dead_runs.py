"""Dead runs: their process has ended, but Dagster lists them as active.

A dead run occupies slots of concurrency pools and blocks later runs. On this machine the process itself is checked. On
every other machine, and with every executor, a step or the coordinator of a run has died when it no longer renews its
lease.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from cdr_pipeline.defs.coordinator import COORDINATOR
from cdr_pipeline.defs.dagster_private import RunRecord
from cdr_pipeline.defs.failure import FAILURE_TAG, MAX_RUN_RETRIES
from cdr_pipeline.defs.process import PROCESS_TAG, has_ended
from cdr_pipeline.steps.operations.step_leases import forget_leases, overdue_leases, running_steps
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.operations.leases import ExpiredLease

_BEFORE_START: Final = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
_ACTIVE: Final = [*_BEFORE_START, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
# A run whose steps have processes of their own writes no event for a few seconds between two steps.
QUIET: Final = timedelta(seconds=10)
# A run without a process tag can still be starting for this long.
_STARTING: Final = timedelta(minutes=15)
_RETRY_NUMBER: Final = "dagster/retry_number"
_STRATEGY: Final = "dagster/retry_strategy"
_MOST_REPEATED: Final = 2


def dead_runs(
    instance: dg.DagsterInstance, now: datetime, quiet: timedelta, *, processes: bool = True
) -> list[RunRecord]:
    """Dead runs of this machine. Runs of other machines are not checked, because their processes are not visible.

    Args:
        instance: Dagster instance.
        now: current time in UTC.
        quiet: time since the last update of a run after which its process is checked.
        processes: whether the process of a run is that of its steps. With other executors a process may end with its
            step, or with its worker, while the run continues; leases tell which runs are dead.
    """
    return [
        record
        for record in instance.get_run_records(dg.RunsFilter(statuses=_ACTIVE))
        if _is_dead(record, now - record.update_timestamp.astimezone(UTC), quiet, processes=processes)
    ]


def _is_dead(record: RunRecord, silent: timedelta, quiet: timedelta, *, processes: bool) -> bool:
    process = record.dagster_run.tags.get(PROCESS_TAG)
    if process is None:
        # The first step of a run sets the tag. A started run without the tag may be waiting for a slot in a pool.
        return record.dagster_run.status in _BEFORE_START and silent > _STARTING
    return processes and silent >= quiet and has_ended(process) is True


@dataclass(frozen=True, slots=True)
class DeadStep:
    """An active run with a step that has not renewed its lease."""

    record: RunRecord
    lease: ExpiredLease


def dead_steps(instance: dg.DagsterInstance, leases: Sequence[ExpiredLease], ctx: RunContext) -> list[DeadStep]:
    """The active runs among those with expired leases, each with the step that has been silent for longest.

    With Celery a living coordinator submits the step of a dead worker again; such a run is not dead.
    """
    if ctx.settings.executor == "celery":
        coordinated = {run_id for run_id, step in running_steps(ctx) if step == COORDINATOR}
        overdue = {(lease.run_id, lease.step) for lease in overdue_leases(ctx)}
        leases = [lease for lease in leases if lease.run_id not in coordinated or (lease.run_id, lease.step) in overdue]
    dead: dict[str, DeadStep] = {}
    for lease in leases:
        record = instance.get_run_record_by_id(lease.run_id)
        if record is not None and record.dagster_run.status in _ACTIVE:
            dead.setdefault(lease.run_id, DeadStep(record, lease))
    return list(dead.values())


def forget_ended(instance: dg.DagsterInstance, leases: Sequence[ExpiredLease], ctx: RunContext) -> None:
    """Removes the leases of runs that have ended."""
    for run_id in {lease.run_id for lease in leases}:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            forget_leases(run_id, ctx)


def allow_reexecution(instance: dg.DagsterInstance, record: RunRecord) -> None:
    """Lets Dagster's run retries repeat a run, if the instance enables them.

    All steps are repeated, which costs little where nothing is new. From failed steps on, Dagster would leave out the
    shards that were submitted and never began. A run that a permanent failure has stopped is not repeated, nor one that
    was repeated often enough.
    """
    tags = record.dagster_run.tags
    repeated = int(tags.get(_RETRY_NUMBER, "0"))
    if FAILURE_TAG not in tags and repeated < _MOST_REPEATED:
        instance.add_run_tags(record.dagster_run.run_id, {MAX_RUN_RETRIES: str(repeated + 1), _STRATEGY: "ALL_STEPS"})


def end_run(instance: dg.DagsterInstance, record: RunRecord) -> None:
    """Reports a run as failed, or as canceled if it was canceling, and frees its slots in concurrency pools."""
    if record.dagster_run.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(record.dagster_run, "Its process is gone; it was ended from outside.")
    else:
        instance.report_run_failed(record.dagster_run, "Its process is gone; it was ended from outside.")
    instance.event_log_storage.free_concurrency_slots_for_run(record.dagster_run.run_id)
