# pyright: reportUnknownParameterType=false
"""Shows decisions in Dagster: evaluates the check of breaks again for days that were decided or reconciled since.

Dagster keeps one result of a check without a run for each day, so each new result needs a run: a small one.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg

from cdr_pipeline.defs.dagster_private import latest_result, record_evaluation
from cdr_pipeline.defs.failure import classified_failures
from cdr_pipeline.defs.lease import leased_context
from cdr_pipeline.defs.partitions import TRIGGER_TAG
from cdr_pipeline.defs.reconciliation.reconciliation import TOLERATED, tolerated
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.steps.reconciliation.changed_days import days_changed_since, reconciled_carriers

if TYPE_CHECKING:
    from cdr_pipeline.steps.run_context import RunContext

DECIDED_DAYS: Final = "decided_days"
_DAYS_TAG: Final = "cdr/days"
_CHECK: Final = dg.AssetCheckKey(dg.AssetKey("reconciliation"), TOLERATED)
# A decision is recorded a little earlier than other processes see it.
_OVERLAP: Final = timedelta(minutes=2)
_FIRST: Final = timedelta(days=1)


def decided_days_job() -> dg.JobDefinition:
    """The job ``decided_days``."""

    @dg.op(name="evaluate_breaks", description="Evaluates the check of breaks of each day with the decisions so far.")
    def evaluate_breaks(context: dg.OpExecutionContext, run_contexts: dg.ResourceParam[RunContexts]) -> None:
        with classified_failures(context), leased_context(context, run_contexts) as ctx:
            for day in _days(context.run.tags):
                record_evaluation(context, _evaluation(day, ctx))

    @dg.job(
        name=DECIDED_DAYS,
        description="Days whose breaks were decided: their check of breaks, without comparing any record again.",
    )
    def decided_days() -> None:
        evaluate_breaks()

    return decided_days


def decided_days_sensor(days: dg.PartitionsDefinition[str], run_contexts: RunContexts) -> dg.SensorDefinition:
    """Requests one run for all days whose check in Dagster says something else than their decisions."""

    @dg.sensor(
        name="decided_days",
        job_name=DECIDED_DAYS,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Breaks were decided, rejected lines dismissed, or a day reconciled again by command: evaluates the check "
            "of breaks of these days, so that a settled day is green without another night."
        ),
    )
    def decided(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        ctx = run_contexts.open_without_run()
        now = ctx.clock()
        since = datetime.fromisoformat(json.loads(context.cursor)) if context.cursor else now - _FIRST
        other: dict[str, str] = {}
        for day in days_changed_since(since, ctx):
            shown = latest_result(context.instance, _CHECK, str(day)) if days.has_partition_key(str(day)) else None
            if shown is not None and shown[1] != _evaluation(day, ctx).passed:
                other[str(day)] = shown[0]
        cursor = json.dumps((now - _OVERLAP).isoformat())
        if not other:
            return dg.SensorResult(skip_reason="the check of every decided day shows its decisions", cursor=cursor)
        # The same results are not replaced twice: a run that failed is repeated when a decision changes again.
        key = hashlib.sha256(json.dumps(other).encode()).hexdigest()
        tags = {TRIGGER_TAG: DECIDED_DAYS, _DAYS_TAG: ",".join(sorted(other))}
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key, tags=tags)], cursor=cursor)

    return decided


def _days(tags: Mapping[str, str]) -> list[date]:
    return [date.fromisoformat(day) for day in tags[_DAYS_TAG].split(",")]


def _evaluation(day: date, ctx: "RunContext") -> dg.AssetCheckEvaluation:
    result = tolerated(reconciled_carriers(day, ctx))
    return dg.AssetCheckEvaluation(
        asset_key=_CHECK.asset_key,
        check_name=_CHECK.name,
        passed=result.passed,
        metadata=dict(result.metadata),
        severity=result.severity,
        partition=str(day),
    )
