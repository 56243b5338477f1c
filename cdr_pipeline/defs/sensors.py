"""Starts an import when a file has been dropped."""

from typing import TYPE_CHECKING

import dagster as dg

from cdr_pipeline.settings import load_settings
from cdr_pipeline.sources.uploads.waiting import waiting_files

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob


def upload_sensor(days: dg.DailyPartitionsDefinition, job: "AssetJob") -> dg.SensorDefinition:
    """One run per set of new files in the drop folder; a file is known by its place, size and time of change."""

    @dg.sensor(
        name="upload_sensor",
        job=job,
        minimum_interval_seconds=30,
        description="Watches the drop folder uploads/{account_id}/{profile}/ and imports what is new.",
    )
    def waiting_uploads(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        settings = load_settings()
        files = waiting_files(settings.upload_dir, settle_seconds=settings.upload_settle_seconds)
        if not files:
            return dg.SkipReason("no file is waiting")
        state = ";".join(file.stamp for file in files)
        if state == context.cursor:
            return dg.SkipReason("these files were seen before: a run has them, or they were refused")
        day = days.get_last_partition_key()
        if day is None:
            return dg.SkipReason("no business date has ended yet")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=state, partition_key=day, tags={"cdr/trigger": "upload"})],
            cursor=state,
        )

    return waiting_uploads
