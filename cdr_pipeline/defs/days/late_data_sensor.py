"""The sensor ``late_data``: starts the job for days whose records have changed since their file was written."""

import hashlib
from datetime import timedelta
from typing import Final

import dagster as dg

from cdr_pipeline.defs.dagster_private import NOT_FINISHED_STATUSES
from cdr_pipeline.defs.days.late_data import LATE_DATA
from cdr_pipeline.defs.partitions import TRIGGER_TAG
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.steps.days.late_days import LateDay, late_days

# A run in progress exports its own changes: the sensor ignores changes that are more recent than this.
_SETTLED: Final = timedelta(minutes=10)


def late_data_sensor(run_contexts: RunContexts) -> dg.SensorDefinition:
    """Requests one run for all waiting days, and another one only if the days or their changes are different."""

    @dg.sensor(
        name="late_data",
        job_name=LATE_DATA,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Records of earlier days have arrived: open days are exported again, sealed ones get a new version that "
            "names the version it replaces. Waits ten minutes after the last change, and until no other run is active."
        ),
    )
    def late(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        ctx = run_contexts.open_without_run()
        waiting = late_days(ctx, before=ctx.clock() - _SETTLED)
        if not waiting:
            return dg.SkipReason("every file shows its day's latest records")
        if context.instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES), limit=1):
            return dg.SkipReason(f"{count_of(len(waiting), 'day waits', 'days wait')} for an active run to end")
        return dg.RunRequest(run_key=_state(waiting), tags={TRIGGER_TAG: "late_data", "cdr/days": str(len(waiting))})

    return late


def _state(waiting: list[LateDay]) -> str:
    """Run key: equal as long as the same days have the same changes, so that a failed run is not repeated forever."""
    text = "\n".join(f"{day.account_id} {day.business_date} {day.changes}" for day in waiting)
    return hashlib.sha256(text.encode()).hexdigest()
