"""Builds the Definitions. Tests pass their own parts; nothing here reads the environment."""

import warnings

import dagster as dg

from cdr_pipeline.defs.assets.api_pages import api_pages_asset
from cdr_pipeline.defs.assets.cdr import cdr_assets
from cdr_pipeline.defs.assets.daily_files import daily_files_asset
from cdr_pipeline.defs.assets.uploads import uploads_asset
from cdr_pipeline.defs.jobs import nightly_job, upload_job
from cdr_pipeline.defs.partitions import business_days
from cdr_pipeline.defs.resources import Workplaces
from cdr_pipeline.defs.schedules import nightly_schedule
from cdr_pipeline.defs.sensors import upload_sensor
from cdr_pipeline.settings import Settings


def build_definitions(settings: Settings, *, workplaces: Workplaces | None = None) -> dg.Definitions:
    """Everything that Dagster shows.

    Args:
        settings: zone, first date, time of the nightly run, executor.
        workplaces: where the steps work; from the run process's own settings when omitted.
    """
    with warnings.catch_warnings():
        # Single-run backfills are what the design rests on; Dagster calls them beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        days = business_days(settings)
        nightly, imports = nightly_job(), upload_job()
        executor = dg.multiprocess_executor if settings.executor == "multiprocess" else dg.in_process_executor
        return dg.Definitions(
            assets=[api_pages_asset(days), uploads_asset(days), cdr_assets(days), daily_files_asset(days)],
            jobs=[nightly, imports],
            schedules=[nightly_schedule(settings, nightly)],
            sensors=[upload_sensor(days, imports)],
            resources={"workplace": workplaces or Workplaces()},
            executor=executor,
        )
