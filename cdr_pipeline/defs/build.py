"""Builds Dagster's ``Definitions`` from settings. Does not read the environment."""

import warnings

import dagster as dg

from cdr_pipeline.defs.collect.api_pages import api_pages_asset
from cdr_pipeline.defs.coordinator import with_run_lease
from cdr_pipeline.defs.days.daily_files import daily_files_asset
from cdr_pipeline.defs.days.delivered_files import delivered_files_asset
from cdr_pipeline.defs.days.late_data import late_data_job
from cdr_pipeline.defs.days.late_data_sensor import late_data_sensor
from cdr_pipeline.defs.days.sealed_days import sealed_days_asset
from cdr_pipeline.defs.executors import executor_for
from cdr_pipeline.defs.graph import with_shared_attributes
from cdr_pipeline.defs.inbound.inbound_asset import inbound_asset
from cdr_pipeline.defs.inbound.inbound_sensor import inbound_sensor
from cdr_pipeline.defs.jobs import check_up_job, inbound_job, nightly_job, upload_job
from cdr_pipeline.defs.operations.alerts import failed_run_alert, red_alert
from cdr_pipeline.defs.operations.dead_runs_sensor import dead_runs_sensor
from cdr_pipeline.defs.operations.missed_nights import missed_nights_sensor
from cdr_pipeline.defs.operations.night_report import night_report_asset, standing_check
from cdr_pipeline.defs.operations.schedules import check_up_schedule, nightly_schedule
from cdr_pipeline.defs.partitions import business_days
from cdr_pipeline.defs.reconciliation.decided_days import decided_days_job, decided_days_sensor
from cdr_pipeline.defs.reconciliation.reconciliation import reconciliation_asset
from cdr_pipeline.defs.records.cdr import cdr_assets
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.retention.retained_records import retained_records_asset
from cdr_pipeline.defs.scope import Scope
from cdr_pipeline.defs.uploads.upload_sensor import upload_sensor
from cdr_pipeline.defs.uploads.uploads_asset import uploads_asset
from cdr_pipeline.settings import Settings


def build_definitions(settings: Settings, *, contexts: RunContexts | None = None) -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors.

    Args:
        settings: time zone, first date, time of the nightly run, executor.
        contexts: opens the run contexts; when omitted, each process reads its own settings.
    """
    run_contexts = contexts or RunContexts()
    with warnings.catch_warnings():
        # The design needs single-run backfills; Dagster still marks them as beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        days = business_days(settings)
        nightly, imports, check_up = nightly_job(), upload_job(), check_up_job()
        inbound = inbound_job()
        assets = [
            api_pages_asset(days, settings),
            inbound_asset(days),
            uploads_asset(days),
            cdr_assets(days, settings),
            reconciliation_asset(days, settings),
            daily_files_asset(days, settings),
            sealed_days_asset(days, settings),
            retained_records_asset(days),
            delivered_files_asset(days, settings),
            night_report_asset(days),
        ]
        return dg.Definitions(
            assets=with_shared_attributes(assets, settings),
            asset_checks=[standing_check()],
            jobs=[nightly, imports, inbound, check_up, late_data_job(), decided_days_job()],
            schedules=[nightly_schedule(settings, days, nightly), check_up_schedule(settings, check_up)],
            sensors=[
                upload_sensor(days, imports, run_contexts),
                inbound_sensor(days, inbound, run_contexts),
                missed_nights_sensor(days, nightly, run_contexts),
                late_data_sensor(run_contexts),
                decided_days_sensor(days, run_contexts),
                dead_runs_sensor(settings, run_contexts),
                failed_run_alert(run_contexts),
                red_alert(run_contexts),
            ],
            resources={"run_contexts": run_contexts, "scope": Scope()},
            executor=with_run_lease(executor_for(settings), run_contexts),
        )
