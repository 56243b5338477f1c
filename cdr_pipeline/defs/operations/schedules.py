"""Schedules: the nightly run and the hourly check-up."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import dagster as dg

from cdr_pipeline.defs.partitions import TRIGGER_TAG
from cdr_pipeline.settings import Settings

if TYPE_CHECKING:
    from cdr_pipeline.defs.dagster_private import AssetJob


def nightly_schedule(settings: Settings, days: dg.DailyPartitionsDefinition, job: "AssetJob") -> dg.ScheduleDefinition:
    """Runs every night at ``CDR_NIGHTLY_AT`` in the operator's time zone, for the day that has just ended."""
    hour, minute = map(int, settings.nightly_at.split(":"))
    grace = timedelta(minutes=settings.nightly_grace_minutes)

    @dg.schedule(
        name="nightly_schedule",
        job=job,
        cron_schedule=f"{minute} {hour} * * *",
        execution_timezone=settings.time_zone,
        # Without a switch there is nothing to collect.
        default_status=dg.DefaultScheduleStatus.RUNNING if settings.api_url else dg.DefaultScheduleStatus.STOPPED,
        description=(
            "The day that has just ended in the operator's time zone. A run that is late by more than "
            "CDR_NIGHTLY_GRACE_MINUTES is left to the sensor missed_nights, so that no night runs twice."
        ),
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        began = context.scheduled_execution_time
        day = str((began.astimezone(ZoneInfo(settings.time_zone)) - timedelta(days=1)).date())
        if not days.has_partition_key(day):
            return dg.SkipReason(f"{day} is before CDR_FIRST_DATE")
        if datetime.now(UTC) - began > grace:
            return dg.SkipReason(f"the night of {day} was missed: the sensor missed_nights runs it")
        return dg.RunRequest(run_key=day, partition_key=day, tags={TRIGGER_TAG: "schedule"})

    return nightly


def check_up_schedule(settings: Settings, job: "AssetJob") -> dg.ScheduleDefinition:
    """Looks for problems every hour, so that the result of the check is at most one hour old."""
    return dg.ScheduleDefinition(
        name="check_up_schedule",
        job=job,
        cron_schedule="5 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        execution_timezone=settings.time_zone,
        tags={TRIGGER_TAG: "check_up"},
        description="Evaluates the check nothing_is_broken.",
    )
