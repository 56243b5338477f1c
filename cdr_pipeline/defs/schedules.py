"""When the nightly run starts."""

from typing import TYPE_CHECKING

import dagster as dg

from cdr_pipeline.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.partitions.partitioned_schedule import (
        UnresolvedPartitionedAssetScheduleDefinition as PartitionedSchedule,
    )
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob


def nightly_schedule(settings: Settings, job: "AssetJob") -> "dg.ScheduleDefinition | PartitionedSchedule":
    """Every night at ``CDR_NIGHTLY_AT`` in the operator's zone, for the day that has just ended."""
    hour, minute = settings.nightly_at.split(":")
    return dg.build_schedule_from_partitioned_job(
        job, hour_of_day=int(hour), minute_of_hour=int(minute), name="nightly_schedule"
    )
