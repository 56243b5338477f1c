"""Stalled runs: their coordinator waits for steps that no worker runs.

Either the broker has lost the tasks of the steps, or their results; then the run would wait forever. Or no worker takes
the tasks; then the run continues as soon as one is started.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from cdr_pipeline.defs.broker import BrokerState, broker_state
from cdr_pipeline.defs.coordinator import COORDINATOR
from cdr_pipeline.defs.dagster_private import RunRecord
from cdr_pipeline.steps.operations.step_leases import running_steps
from cdr_pipeline.steps.run_context import RunContext

# A run of which no step runs writes an event within this time, unless it has stalled. A coordinator that lives submits
# lost steps again before.
STALLED: Final = timedelta(minutes=3)
# A step waits this long for a worker before that is reported.
UNTAKEN: Final = timedelta(minutes=10)
# With other executors, steps are children of the coordinator, and its lease tells enough.
_DISTRIBUTED: Final = ("celery", "k8s")
_PLANNED: Final = (
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
)
_ENDED: Final = (
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SKIPPED,
)


@dataclass(frozen=True, slots=True)
class StalledRun:
    """A run that waits for steps, although no worker runs one of them.

    Attributes:
        record: the run.
        step: a step that it waits for.
        since: time of its last event, UTC.
        lost: whether the broker has no task of the run; else no worker has taken it.
    """

    record: RunRecord
    step: str
    since: datetime
    lost: bool


@dataclass(frozen=True, slots=True)
class Stalled:
    """Stalled runs, and the broker if steps are distributed by one that can be looked into."""

    runs: tuple[StalledRun, ...] = ()
    broker: BrokerState | None = None

    @property
    def lost(self) -> list[StalledRun]:
        """Runs that would wait forever."""
        return [run for run in self.runs if run.lost]


def stalled_runs(instance: dg.DagsterInstance, ctx: RunContext) -> Stalled:
    """Runs that are listed as started, and of which no step has been running for some minutes."""
    if ctx.settings.executor not in _DISTRIBUTED:
        return Stalled()
    broker = broker_state(ctx.settings)
    # Coordinators submit and fetch again after a restart of the broker.
    if broker is not None and (broker.error or broker.up_seconds < STALLED.total_seconds()):
        return Stalled((), broker)
    active = running_steps(ctx)
    running = {run_id for run_id, step in active if step != COORDINATOR}
    coordinated = {run_id for run_id, step in active if step == COORDINATOR}
    runs: list[StalledRun] = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        run_id = record.dagster_run.run_id
        if run_id not in coordinated or run_id in running:
            continue
        last = _last_event(instance, run_id)
        if last is None or ctx.clock() - last < STALLED or _waits_for_pool(instance, run_id):
            continue
        steps, pause = _open_steps(instance.all_logs(run_id))
        quiet = ctx.clock() - last - pause
        lost = broker is not None and not broker.has_task_of(run_id)
        # That no worker takes a step is a problem only if workers do nothing else.
        if quiet >= (STALLED if lost else UNTAKEN) and (lost or not running):
            runs.append(StalledRun(record, steps[0] if steps else "", last, lost))
    return Stalled(tuple(runs), broker)


def _last_event(instance: dg.DagsterInstance, run_id: str) -> datetime | None:
    records = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    return datetime.fromtimestamp(records[0].event_log_entry.timestamp, UTC) if records else None


def _waits_for_pool(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a step of the run waits for a slot that another run occupies."""
    storage = instance.event_log_storage
    return any(
        any(step.run_id == run_id for step in pool.pending_steps)
        and any(slot.run_id != run_id for slot in pool.claimed_slots)
        for pool in map(storage.get_concurrency_info, storage.get_concurrency_keys())
    )


def _open_steps(entries: Sequence[dg.EventLogEntry]) -> tuple[list[str], timedelta]:
    """Steps of a run that have begun or were submitted and have not ended, and the pause before the next is retried."""
    last: dict[str, dg.DagsterEvent] = {}
    for entry in entries:
        event = entry.dagster_event
        if event is not None and entry.step_key is not None and event.event_type not in _PLANNED:
            last[entry.step_key] = event
    pause = max(
        (event.step_retry_data.seconds_to_wait or 0 for event in last.values() if event.is_step_up_for_retry), default=0
    )
    # The result of a step that has ended may be lost as well.
    steps = [step for step, event in last.items() if event.event_type not in _ENDED] or list(last)[-1:]
    return steps, timedelta(seconds=pause)
