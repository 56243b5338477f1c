"""The sensor ``dead_runs``: ends runs whose process was killed or whose machine has died."""

from typing import TYPE_CHECKING

import dagster as dg

from cdr_pipeline.defs.coordinator import COORDINATOR
from cdr_pipeline.defs.operations.dead_runs import (
    QUIET,
    allow_reexecution,
    dead_runs,
    dead_steps,
    end_run,
    forget_ended,
)
from cdr_pipeline.defs.operations.stalled_runs import stalled_runs
from cdr_pipeline.defs.process import PROCESS_TAG
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.step_leases import expect_lease, expired_leases

if TYPE_CHECKING:
    from cdr_pipeline.defs.resources import RunContexts


def dead_runs_sensor(settings: Settings, run_contexts: "RunContexts") -> dg.SensorDefinition:
    """Ends dead runs. Dagster's own run monitoring does not see processes; the other way is ``doctor --fix``."""

    @dg.sensor(
        name="dead_runs",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Ends runs whose coordinator or one of whose steps has not renewed its lease for two minutes, on any "
            "machine and with any executor, unless the coordinator hands the step to another worker. Ends runs that "
            "wait for steps of which the broker has lost the tasks. "
            "Frees their slots in pools and lets run retries repeat what is missing. "
            "For the in-process executor also ends runs of this machine whose process was killed."
        ),
    )
    def ended(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        ctx = run_contexts.open_without_run()
        leases = expired_leases(ctx)
        silent = [step.record for step in dead_steps(context.instance, leases, ctx)]
        silent += [run.record for run in stalled_runs(context.instance, ctx).lost]
        for record in silent:
            allow_reexecution(context.instance, record)
            end_run(context.instance, record)
        forget_ended(context.instance, leases, ctx)
        # A coordinator that died before it could open its lease has none that expires.
        for run in context.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            expect_lease(run.run_id, COORDINATOR, ctx)
        # The processes of other executors end with each step, so that only leases tell dead runs from waiting ones.
        # A run without the tag may be waiting for a slot in a pool.
        dead = [
            record
            for record in dead_runs(
                context.instance, run_contexts.now(), QUIET, processes=settings.executor == "in_process"
            )
            if PROCESS_TAG in record.dagster_run.tags
        ]
        for record in dead:
            end_run(context.instance, record)
        number = len(silent) + len(dead)
        return dg.SkipReason(f"{count_of(number, 'run')} ended" if number else "every run has its process")

    return ended
