"""Builds the Definitions. Tests pass their own parts; nothing here reads the environment."""

import warnings

import dagster as dg

from cdr_pipeline.defs.collect.api_pages import api_pages_asset
from cdr_pipeline.defs.days.daily_files import daily_files_asset
from cdr_pipeline.defs.days.delivered_files import delivered_files_asset
from cdr_pipeline.defs.days.late_data import late_data_job
from cdr_pipeline.defs.days.late_data_sensor import late_data_sensor
from cdr_pipeline.defs.days.sealed_days import sealed_days_asset
from cdr_pipeline.defs.executors import executor_for
from cdr_pipeline.defs.graph import finished
from cdr_pipeline.defs.jobs import check_up_job, nightly_job, upload_job
from cdr_pipeline.defs.operations.alerts import failed_run_alert, red_alert
from cdr_pipeline.defs.operations.dead_runs_sensor import dead_runs_sensor
from cdr_pipeline.defs.operations.missed_nights import missed_nights_sensor
from cdr_pipeline.defs.operations.night_report import night_report_asset, standing_check
from cdr_pipeline.defs.operations.schedules import check_up_schedule, nightly_schedule
from cdr_pipeline.defs.partitions import business_days
from cdr_pipeline.defs.reconciliation.reconciliation import reconciliation_asset
from cdr_pipeline.defs.records.cdr import cdr_assets
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.retention.retained_records import retained_records_asset
from cdr_pipeline.defs.scope import Scope
from cdr_pipeline.defs.uploads.upload_sensor import upload_sensor
from cdr_pipeline.defs.uploads.uploads_asset import uploads_asset
from cdr_pipeline.settings import Settings


def build_definitions(settings: Settings, *, workplaces: RunContexts | None = None) -> dg.Definitions:
    """Everything that Dagster shows.

    Args:
        settings: zone, first date, time of the nightly run, executor.
        workplaces: where the steps work; from the run process's own settings when omitted.
    """
    places = workplaces or RunContexts()
    with warnings.catch_warnings():
        # Single-run backfills are what the design rests on; Dagster calls them beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        days = business_days(settings)
        nightly, imports, check_up = nightly_job(), upload_job(), check_up_job()
        assets = [
            api_pages_asset(days, settings),
            uploads_asset(days),
            cdr_assets(days, settings),
            reconciliation_asset(days),
            daily_files_asset(days),
            sealed_days_asset(days),
            retained_records_asset(days),
            delivered_files_asset(days),
            night_report_asset(days),
        ]
        return dg.Definitions(
            assets=finished(assets, settings),
            asset_checks=[standing_check()],
            jobs=[nightly, imports, check_up, late_data_job()],
            schedules=[nightly_schedule(settings, days, nightly), check_up_schedule(settings, check_up)],
            sensors=[
                upload_sensor(days, imports, places),
                missed_nights_sensor(days, nightly, places),
                late_data_sensor(places),
                dead_runs_sensor(settings, places),
                failed_run_alert(),
                red_alert(places),
            ],
            resources={"workplace": places, "scope": Scope()},
            executor=executor_for(settings),
        )
