"""The sensor ``missed_nights``: runs missed and incomplete nights, one at a time, oldest first."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg

from cdr_pipeline.defs.dagster_private import NOT_FINISHED_STATUSES
from cdr_pipeline.defs.jobs import NIGHTLY
from cdr_pipeline.defs.partitions import ACCOUNTS_TAG, DUE_TAG, PARTITION_TAG, TRIGGER_TAG
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.steps.operations.due_nights import DueNight, due_nights

if TYPE_CHECKING:
    from cdr_pipeline.defs.dagster_private import AssetJob
    from cdr_pipeline.defs.resources import RunContexts

_TRIGGER: Final = "missed_night"
# A night that is still incomplete after this many attempts needs manual action; the check nothing_is_broken reports it.
_ATTEMPTS: Final = 3
_PAUSE: Final = timedelta(hours=1)
_MOST_ACCOUNTS: Final = 20


def missed_nights_sensor(
    days: dg.DailyPartitionsDefinition, job: "AssetJob", run_contexts: "RunContexts"
) -> dg.SensorDefinition:
    """Requests a run for the oldest night that the ledger lists as due."""

    @dg.sensor(
        name="missed_nights",
        job=job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Runs each night that has not begun CDR_NIGHTLY_GRACE_MINUTES after its time, oldest first and one at a "
            "time. Repeats a night at most three times, with an hour between, for the accounts that failed for a "
            "transient reason or whose day had not ended in their time zone. Reads the ledger, not Dagster's history."
        ),
    )
    def missed_nights(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        ctx = run_contexts.open_without_run()
        if ctx.settings.api_url is None:
            return dg.SkipReason("CDR_API_URL is not set: there is no switch to collect from")
        nights = [
            night for night in due_nights(ctx) if night.accounts and days.has_partition_key(str(night.business_date))
        ]
        if not nights:
            return dg.SkipReason("every night is complete, or needs manual action")
        active = [
            run
            for run in context.instance.get_runs(dg.RunsFilter(job_name=NIGHTLY, statuses=NOT_FINISHED_STATUSES))
            if run.tags.get(TRIGGER_TAG) == _TRIGGER
            or run.tags.get(PARTITION_TAG) in {str(night.business_date) for night in nights}
        ]
        if active:
            return dg.SkipReason("a night is running; the next one follows it")
        for night in nights:
            attempts, last = _attempts(context.instance, night)
            if attempts < _ATTEMPTS and (last is None or ctx.clock() - last >= _PAUSE):
                return _request(night, attempts)
        return dg.SkipReason(
            f"{count_of(len(nights), 'night is', 'nights are')} incomplete; each was tried and waits for its next "
            "attempt or manual action"
        )

    return missed_nights


def _attempts(instance: dg.DagsterInstance, night: DueNight) -> tuple[int, datetime | None]:
    """Number of runs that this sensor has requested for the night, and the time of the last request."""
    records = instance.get_run_records(
        dg.RunsFilter(tags={TRIGGER_TAG: _TRIGGER, DUE_TAG: str(night.business_date)}), limit=_ATTEMPTS
    )
    stamps = [record.create_timestamp for record in records]
    return len(stamps), max(stamps).astimezone(UTC) if stamps else None


def _request(night: DueNight, attempts: int) -> dg.RunRequest:
    day = str(night.business_date)
    few = len(night.accounts) <= _MOST_ACCOUNTS and not night.everybody
    accounts = {ACCOUNTS_TAG: ",".join(night.accounts)} if few else {}
    return dg.RunRequest(
        run_key=f"{day}:{attempts}", partition_key=day, tags={TRIGGER_TAG: _TRIGGER, DUE_TAG: day} | accounts
    )
