# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The asset ``night_report`` and the check ``nothing_is_broken``."""

import dagster as dg

from cdr_pipeline.defs.failure import classified_failures
from cdr_pipeline.defs.jobs import STANDING_CHECK
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.scope import partition_dates
from cdr_pipeline.steps.days.sealed_files import check_sealed_files
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.operations.night_page import broken_markdown, night_markdown, trend_image, write_night_page
from cdr_pipeline.steps.operations.night_report import night_report

KEY = "night_report"


def night_report_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``night_report``."""

    @dg.asset(
        name=KEY,
        deps=["cdr", "rejects", "daily_files", "sealed_days", "delivered_files", "retained_records"],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="finance",
        kinds={"markdown", "file"},
    )
    def report(context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts]) -> dg.MaterializeResult:
        """One page a night: verdict, rows by class, minutes and money by origin, traffic, current problems.

        Computed from the ledger and the warehouse. The page is also the file `reports/night_{date}.md` and the output
        of `cdr-pipeline status --night`.
        """
        with classified_failures(context):
            ctx = run_contexts.open(context)
            reports = [night_report(day, ctx) for day in partition_dates(context)]
            pages = [write_night_page(item, ctx) for item in reports]
            last = reports[-1]
            return dg.MaterializeResult(
                metadata={
                    "verdict": last.verdict,
                    "page": dg.MetadataValue.md(night_markdown(last)),
                    "trend": dg.MetadataValue.md(trend_image(last.trend, last.business_date)),
                    "file": dg.MetadataValue.path(str(pages[-1])),
                    "accounts": len(last.accounts),
                    "accounts_incomplete": len(last.incomplete),
                    "accounts_without_file": len(last.without_file),
                    "broken_now": len(last.broken),
                    **{f"rows_{item.origin}": item.rows for item in last.totals},
                    **{f"minutes_{item.origin}": float(item.minutes) for item in last.totals},
                }
            )

    return report


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
