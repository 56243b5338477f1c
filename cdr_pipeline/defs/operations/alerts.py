"""Sensors that raise alerts: for failed runs, failed checks and new problems. The outbox delivers them."""

from collections.abc import Sequence
from typing import Final

import dagster as dg

from cdr_pipeline.defs.dagster_private import AssetCheckExecutionRecordStatus
from cdr_pipeline.defs.failure import FAILURE_TAG
from cdr_pipeline.defs.jobs import NIGHTLY, STANDING_CHECK
from cdr_pipeline.defs.outcome import CAUSE_TAG
from cdr_pipeline.defs.partitions import PARTITION_TAG
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.steps.operations.alert import Incident
from cdr_pipeline.steps.operations.alert_channels import alert_channels
from cdr_pipeline.steps.operations.alert_outbox import Outcome
from cdr_pipeline.steps.operations.night_alerts import CHECKS, failed_run, tell_problems, tell_run

_ON: Final = dg.DefaultSensorStatus.RUNNING
# Evaluations of a check that are searched for a red day; an older day has been alerted before.
_SEARCHED: Final = 200
_RANGE: Final = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_NO_CHANNEL: Final = "no channel is set: see CDR_ALERT_WEBHOOK_URL, CDR_ALERT_MAIL_TO and CDR_ALERT_URLS"


def failed_run_alert(run_contexts: RunContexts) -> dg.SensorDefinition:
    """Raises one alert for a failed run of any job, with the problems that it left behind."""

    @dg.run_failure_sensor(
        name="alert_on_failed_run",
        default_status=_ON,
        minimum_interval_seconds=30,
        description=(
            "Failed runs: raises an alert with the accounts that failed, grouped by cause. Tells once until a run of "
            "the same job and day succeeds."
        ),
    )
    def failed(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        settings = run_contexts.settings()
        if not alert_channels(settings):
            return dg.SkipReason(_NO_CHANNEL)
        run = context.dagster_run
        tell_run(settings, run_title(run), incident_of(run), clock=run_contexts.now)
        return None

    return failed


def run_title(run: dg.DagsterRun) -> str:
    """Job and days of a run, by which later runs of the same work are found."""
    first, last = (run.tags.get(tag) for tag in _RANGE)
    day = run.tags.get(PARTITION_TAG) or (f"{first} to {last}" if first else "")
    job = "materialization" if run.job_name.startswith("__") else run.job_name
    return f"{job} of {day}" if day else job


def incident_of(run: dg.DagsterRun) -> Incident:
    """The incident of a failed run."""
    code, day = run.tags.get(FAILURE_TAG, ""), run.tags.get(PARTITION_TAG, "")
    command = f"cdr-pipeline nightly --date {day}" if run.job_name == NIGHTLY and day else "cdr-pipeline doctor"
    return failed_run(
        run_title(run),
        run.tags.get(CAUSE_TAG) or code or "its process ended, or Dagster stopped it",
        run_id=run.run_id,
        facts={"job": run.job_name, "business_date": day, "code": code},
        command=command,
    )


def red_alert(run_contexts: RunContexts) -> dg.SensorDefinition:
    """Raises one alert for problems that are new and one for those that are over, and delivers what is due."""

    @dg.sensor(
        name="alert_on_red",
        default_status=_ON,
        minimum_interval_seconds=60,
        description=(
            "Problems and red checks: raises an alert when something is new and when it is over, also when the "
            "reconciliation of a day leaves more money open than CDR_ALERT_EXPOSURE. Delivers every alert that waits, "
            "with growing pauses for a channel that does not accept it (cdr-pipeline alerts list)."
        ),
    )
    def red(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        settings = run_contexts.settings()
        if not alert_channels(settings):
            return dg.SkipReason(_NO_CHANNEL)
        outcome = tell_problems(
            settings,
            checks=lambda: _red_checks(context),
            runs_over=lambda titles: _succeeded(context.instance, titles),
            clock=run_contexts.now,
        )
        return dg.SkipReason(outcome_text(outcome))

    return red


def outcome_text(outcome: Outcome) -> str:
    """What was raised and which channels wait, in one line."""
    parts = [count_of(outcome.raised, "new alert") if outcome.raised else "nothing new"]
    if outcome.accepted:
        parts.append(f"accepted by {', '.join(outcome.accepted)}")
    parts += [
        f"waiting for {name}: {cause}" if cause else f"waiting for {name}" for name, cause in outcome.waiting.items()
    ]
    if outcome.spooled:
        parts.append("the warehouse cannot be used, so alerts are kept in the folder alerts")
    return "; ".join(parts)


def _succeeded(instance: dg.DagsterInstance, titles: Sequence[str]) -> list[str]:
    """Titles whose newest finished run has succeeded."""
    over: list[str] = []
    for title in titles:
        job, _, day = title.partition(" of ")
        first, separator, last = day.partition(" to ")
        tags = {_RANGE[0]: first, _RANGE[1]: last} if separator else {PARTITION_TAG: day} if day else {}
        runs = instance.get_runs(
            dg.RunsFilter(
                job_name="__ASSET_JOB" if job == "materialization" else job,
                tags=tags,
                statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
            ),
            limit=1,
        )
        if runs and runs[0].status is dg.DagsterRunStatus.SUCCESS:
            over.append(title)
    return over


def _red_checks(context: dg.SensorEvaluationContext) -> list[Incident]:
    """Checks of severity ERROR whose latest evaluation failed, each with the command that shows more."""
    repository = context.repository_def
    if repository is None:
        return []
    incidents: list[Incident] = []
    storage = context.instance.event_log_storage
    for info in storage.get_asset_check_partition_info(sorted(repository.asset_graph.asset_check_keys)):
        key, partition = info.check_key, info.partition_key
        if (
            key.name == STANDING_CHECK
            or info.latest_execution_status is not AssetCheckExecutionRecordStatus.FAILED
            or (partition is None and _is_partitioned(repository, key))
        ):
            continue
        evaluation = _latest(context.instance, key, partition)
        if evaluation is not None and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            name = f"{key.to_user_string()}{f' of {partition}' if partition else ''}"
            incidents.append(
                Incident(
                    f"{CHECKS}{name}", f"check {name} is red", command=_command(evaluation, partition), kind="check_red"
                )
            )
    return incidents


def _latest(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, partition: str | None
) -> dg.AssetCheckEvaluation | None:
    """Latest evaluation of a check for a partition, among its last evaluations of all partitions."""
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=_SEARCHED)
    return next((item.evaluation for item in records if item.partition == partition and item.evaluation), None)


def _is_partitioned(repository: dg.RepositoryDefinition, key: dg.AssetCheckKey) -> bool:
    return repository.asset_graph.get_check_spec(key).partitions_def is not None


def _command(evaluation: dg.AssetCheckEvaluation, partition: str | None) -> str:
    """What the check says to do; otherwise the command that shows the night."""
    told = evaluation.metadata.get("what_to_do")
    if told is not None:
        return str(told.value)
    return f"cdr-pipeline status --night --to {partition}" if partition else "cdr-pipeline status --night"
