"""When the nightly run starts."""

import dagster as dg

from cdr_pipeline.settings import Settings


def nightly_schedule(settings: Settings, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Every night at ``CDR_NIGHTLY_AT`` in the operator's zone, for the day that has just ended."""
    hour, minute = settings.nightly_at.split(":")
    schedule = dg.build_schedule_from_partitioned_job(
        job, hour_of_day=int(hour), minute_of_hour=int(minute), name="nightly_schedule"
    )
    return schedule
