"""Sensors that send alerts: for failed runs, failed checks and new problems."""

import json
from typing import Final

import dagster as dg

from cdr_pipeline.defs.dagster_private import AssetCheckExecutionRecordStatus
from cdr_pipeline.defs.failure import FAILURE_TAG
from cdr_pipeline.defs.jobs import STANDING_CHECK
from cdr_pipeline.defs.partitions import PARTITION_TAG
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.settings import Settings, load_settings
from cdr_pipeline.steps.operations.alert import Alert, alert_channels, send_alert
from cdr_pipeline.steps.operations.health import find_problems

_ON: Final = dg.DefaultSensorStatus.RUNNING
_LISTED: Final = 20
# Evaluations of a check that are searched for a red day; an older day has been alerted before.
_SEARCHED: Final = 200


def failed_run_alert() -> dg.SensorDefinition:
    """Sends one alert for every failed run of any job."""

    @dg.run_failure_sensor(
        name="alert_on_failed_run",
        default_status=_ON,
        minimum_interval_seconds=30,
        description="Sends an alert by CDR_ALERT_WEBHOOK_URL and mail when a run has failed.",
    )
    def failed(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        settings = load_settings()
        if not alert_channels(settings):
            return dg.SkipReason("no channel is set: see CDR_ALERT_WEBHOOK_URL and CDR_ALERT_MAIL_TO")
        send_alert(failed_run(context.dagster_run), settings)
        return None

    return failed


def failed_run(run: dg.DagsterRun) -> Alert:
    """The alert for a failed run."""
    day = run.tags.get(PARTITION_TAG, "")
    code = run.tags.get(FAILURE_TAG)
    title = f"{run.job_name} of {day}" if day else run.job_name
    lines = (f"code: {code}; a retry does not help",) if code else ("a retry may help; see the run",)
    return Alert(
        "night_failed",
        f"{title} failed",
        (*lines, f"run {run.run_id}"),
        "cdr-pipeline doctor",
        {"run_id": run.run_id, "job": run.job_name, "business_date": day, "code": code or ""},
    )


def red_alert(run_contexts: RunContexts) -> dg.SensorDefinition:
    """Sends one alert for problems that are new since the last evaluation. A problem that ends can be new again."""

    @dg.sensor(
        name="alert_on_red",
        default_status=_ON,
        minimum_interval_seconds=60,
        description=(
            "Sends an alert when a check of severity ERROR fails, when there is a new problem, and when the "
            "reconciliation of a day leaves more money open than CDR_ALERT_EXPOSURE. An alert that no channel accepts "
            "is sent again."
        ),
    )
    def red(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        ctx = run_contexts.open_without_run()
        settings: Settings = ctx.settings
        if not alert_channels(settings):
            return dg.SkipReason("no channel is set: see CDR_ALERT_WEBHOOK_URL and CDR_ALERT_MAIL_TO")
        problems = {item.key: item for item in find_problems(ctx)}
        current = {**{key: item.command for key, item in problems.items()}, **_red_checks(context)}
        alerted = set(json.loads(context.cursor or "[]"))
        new = {key: command for key, command in current.items() if key not in alerted}
        if not new:
            return dg.SensorResult(skip_reason="no new problem", cursor=json.dumps(sorted(alerted & current.keys())))
        kinds = {problems[key].code for key in new if key in problems}
        send_alert(
            Alert(
                "exposure" if "exposure" in kinds else "broken" if kinds else "check_red",
                f"{len(new)} thing(s) have turned red",
                tuple(f"{key} (next: {command})" for key, command in list(new.items())[:_LISTED]),
                "cdr-pipeline doctor",
                {"red_now": str(len(current))},
            ),
            settings,
        )
        # The cursor moves only after the alert was sent: send_alert raises if no channel accepts it.
        return dg.SensorResult(skip_reason=f"{len(new)} sent", cursor=json.dumps(sorted(current)))

    return red


def _red_checks(context: dg.SensorEvaluationContext) -> dict[str, str]:
    """Checks of severity ERROR whose latest evaluation failed, each with the command that shows more."""
    repository = context.repository_def
    if repository is None:
        return {}
    commands: dict[str, str] = {}
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
            day = f" of {partition}" if partition else ""
            commands[f"check {key.to_user_string()}{day}"] = _command(evaluation, partition)
    return commands


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
