# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The asset ``night_report`` and the check ``nothing_is_broken``."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from cdr_pipeline.defs.dagster_private import record_evaluation
from cdr_pipeline.defs.day_asset import DayCheck, DayRun, check_specs, code_reference
from cdr_pipeline.defs.failure import classified_failures
from cdr_pipeline.defs.jobs import STANDING_CHECK
from cdr_pipeline.defs.metadata import console_link
from cdr_pipeline.defs.outcome import RedCheck, failure_of, red_checks, tag_outcome, tag_verdict
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.scope import Scope
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.sealed_files import check_sealed_files
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.operations.night_page import broken_markdown, night_markdown, trend_image, write_night_page
from cdr_pipeline.steps.operations.night_report import NightReport, night_report

KEY = "night_report"
GOOD = "night_is_good"
_GOOD_CHECK = DayCheck(
    GOOD,
    "The verdict on the night is good: every account is collected whole and has its files, no row is rejected, and "
    "nothing needs action. As of the run: run the day again after a correction.",
)


def night_report_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``night_report``."""

    @dg.asset(
        name=KEY,
        deps=["cdr", "rejects", "daily_files", "sealed_days", "delivered_files", "retained_records"],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="finance",
        kinds={"markdown", "file"},
        metadata={"dagster/code_references": code_reference(night_report)},
        check_specs=check_specs(days, KEY, [_GOOD_CHECK]),
    )
    def report(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> Iterator[dg.MaterializeResult]:
        """One page a night: verdict, rows by class, minutes and money by origin, traffic, current problems.

        Computed from the ledger and the warehouse. The page is also the file `reports/night_{date}.md` and the output
        of `cdr-pipeline status --night`. If a check of severity ERROR failed in the run, the run fails after the page
        is written: a failed day has an observation with the page instead of a materialization, so that a backfill of
        failed and missing partitions repeats it. A run that did all its work succeeds, also if the night is not
        good because rows were rejected or something needs action: its tags and the check `night_is_good` show it.
        """
        with classified_failures(context), DayRun.open(context, run_contexts, scope) as run:
            reports = [night_report(day, run.ctx) for day in run.dates]
            red = red_checks(context)
            tag_outcome(context, _accounts_of(run, reports), red)
            tag_verdict(
                context,
                faults=[item.verdict for item in reports if not item.good],
                red=bool(red),
                rejected_rows=sum(item.rejected_rows for item in reports),
            )
            # After the tags: on a full disk the run still names the accounts that failed and why.
            pages = [str(write_night_page(item, run.ctx)) for item in reports]
        several = len(reports) > 1
        for item in reports if several or red else ():
            record_evaluation(context, _evaluation(item, _of_day(item, red, several=several)))
        if not red:
            yield dg.MaterializeResult(
                metadata=_metadata(reports[-1], pages[-1], run.ctx.settings), check_results=[_result(reports)]
            )
            return
        for item, page in zip(reports, pages, strict=True):
            failed = _of_day(item, red, several=several)
            context.log_event(_outcome_of_day(item, page, failed, run.ctx.settings))
        raise failure_of(context, red)

    return report


def _accounts_of(run: DayRun, reports: Sequence[NightReport]) -> int:
    return len(run.accounts) if run.accounts is not None else len(reports[-1].accounts)


def _of_day(report: NightReport, red: Sequence[RedCheck], *, several: bool) -> list[RedCheck]:
    """Failed checks of a day. In a run of several days, checks without a day repeat those of the days."""
    return [check for check in red if check.day == str(report.business_date) or not several]


def _fault_of(report: NightReport, failed: Sequence[RedCheck]) -> str:
    """Why a night is not good; "" if it is. A check can fail for a reason that the ledger does not know."""
    if report.good and failed:
        return f"Not good: {'; '.join(dict.fromkeys(check.cause or check.key for check in failed))}"
    return "" if report.good else report.verdict


def _outcome_of_day(
    report: NightReport, page: str, failed: Sequence[RedCheck], settings: Settings
) -> dg.AssetMaterialization | dg.AssetObservation:
    """A materialization of a good day, an observation of a failed one."""
    event = dg.AssetObservation if failed else dg.AssetMaterialization
    verdict = _fault_of(report, failed) or report.verdict
    metadata = _metadata(report, page, settings) | {"verdict": verdict}
    return event(KEY, partition=str(report.business_date), description=verdict, metadata=metadata)


def _result(reports: Sequence[NightReport], failed: Sequence[RedCheck] = ()) -> dg.AssetCheckResult:
    """The check ``night_is_good`` of nights, of which these checks failed."""
    found = {str(item.business_date): _fault_of(item, failed) for item in reports}
    faults = {day: fault for day, fault in found.items() if fault}
    return dg.AssetCheckResult(
        check_name=GOOD,
        passed=not faults,
        # The run has done its work: running it again does not correct a row.
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(dict.fromkeys(faults.values())) or None,
        metadata={**faults, **({"what_to_do": "cdr-pipeline doctor"} if faults else {})},
    )


def _evaluation(report: NightReport, failed: Sequence[RedCheck]) -> dg.AssetCheckEvaluation:
    result = _result([report], failed)
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(KEY),
        check_name=GOOD,
        passed=result.passed,
        metadata=dict(result.metadata),
        severity=result.severity,
        description=result.description,
        partition=str(report.business_date),
    )


def _metadata(report: NightReport, page: str, settings: Settings) -> dict[str, Any]:
    return {
        "verdict": report.verdict,
        **console_link(settings, f"/calendar?month={report.business_date:%Y-%m}"),
        "page": dg.MetadataValue.md(night_markdown(report)),
        "trend": dg.MetadataValue.md(trend_image(report.trend, report.business_date)),
        "file": dg.MetadataValue.path(page),
        "accounts": len(report.accounts),
        "accounts_incomplete": len(report.incomplete),
        "accounts_without_file": len(report.without_file),
        "broken_now": len(report.broken),
        **{f"rows_{item.origin}": item.rows for item in report.totals},
        **{f"minutes_{item.origin}": float(item.minutes) for item in report.totals},
    }


def standing_check() -> dg.AssetChecksDefinition:
    """The check ``nothing_is_broken``. It reports current problems, independent of the business date of the run."""

    @dg.asset_check(
        asset=KEY,
        name=STANDING_CHECK,
        description=(
            "Nothing needs manual action: no night missing, no account failed, no upload held or unreadable, no file "
            "older than its records, no day suspiciously empty. Lists each problem, since when it exists, and the "
            "command that fixes it."
        ),
    )
    def nothing_is_broken(
        context: dg.AssetCheckExecutionContext, run_contexts: dg.ResourceParam[RunContexts]
    ) -> dg.AssetCheckResult:
        ctx = run_contexts.open(context)
        check_sealed_files(ctx)
        broken = find_problems(ctx)
        return dg.AssetCheckResult(
            passed=not broken,
            # Older problems do not fail tonight's run; the sensor alert_on_red reports them.
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "broken_now": len(broken),
                "oldest_since": f"{broken[0].since:%Y-%m-%d %H:%M} UTC" if broken else "none",
                "what_to_do": dg.MetadataValue.md(broken_markdown(broken)),
            },
        )

    return nothing_is_broken
