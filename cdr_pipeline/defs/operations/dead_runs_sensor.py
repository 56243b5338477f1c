"""The sensor ``dead_runs``: ends runs whose process was killed."""

from typing import TYPE_CHECKING

import dagster as dg

from cdr_pipeline.defs.operations.dead_runs import QUIET, dead_runs, end_run
from cdr_pipeline.defs.process import PROCESS_TAG
from cdr_pipeline.settings import Settings

if TYPE_CHECKING:
    from cdr_pipeline.defs.resources import RunContexts


def dead_runs_sensor(settings: Settings, run_contexts: "RunContexts") -> dg.SensorDefinition:
    """Ends dead runs. Dagster's own run monitoring does not see processes; the other way is ``doctor --fix``."""

    @dg.sensor(
        name="dead_runs",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Ends runs of this machine whose process was killed and frees their slots in pools, so that missed_nights "
            "and other runs do not wait for them. Active only for the in-process executor; with other executors use "
            "cdr-pipeline doctor --fix."
        ),
    )
    def ended(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if settings.executor != "in_process":
            return dg.SkipReason(f"not used with the executor {settings.executor}: run cdr-pipeline doctor")
        # A run without the tag may be waiting for a slot in a pool.
        dead = [
            record
            for record in dead_runs(context.instance, run_contexts.now(), QUIET)
            if PROCESS_TAG in record.dagster_run.tags
        ]
        for record in dead:
            end_run(context.instance, record)
        return dg.SkipReason(f"{len(dead)} run(s) ended" if dead else "every run has its process")

    return ended
