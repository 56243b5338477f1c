"""Ends runs whose process was killed, so that none waits for them."""

from typing import TYPE_CHECKING

import dagster as dg

from cdr_pipeline.defs.operations.dead_runs import QUIET, dead_runs, end_run
from cdr_pipeline.defs.process import PROCESS_TAG
from cdr_pipeline.settings import Settings

if TYPE_CHECKING:
    from cdr_pipeline.defs.resources import RunContexts


def dead_runs_sensor(settings: Settings, workplaces: "RunContexts") -> dg.SensorDefinition:
    """Dagster's own monitoring cannot see a process; without this, only ``doctor --fix`` would end them."""

    @dg.sensor(
        name="dead_runs",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Ends runs of this machine whose process was killed and frees their places in pools, so that missed_nights "
            "and others need not wait for them. Where steps have processes of their own, these come and go, and it "
            "is left to cdr-pipeline doctor --fix."
        ),
    )
    def ended(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if settings.executor != "in_process":
            return dg.SkipReason(f"the processes of {settings.executor} come and go: see cdr-pipeline doctor")
        # One of which no process was heard may only be waiting for its place in a pool.
        dead = [
            record
            for record in dead_runs(context.instance, workplaces.now(), QUIET)
            if PROCESS_TAG in record.dagster_run.tags
        ]
        for record in dead:
            end_run(context.instance, record)
        return dg.SkipReason(f"{len(dead)} run(s) ended" if dead else "every run has its process")

    return ended
