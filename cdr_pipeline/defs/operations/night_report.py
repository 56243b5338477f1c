# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The page that says whether a night was good, and the check that says what is broken now."""

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
    def report(context: dg.AssetExecutionContext, workplace: dg.ResourceParam[RunContexts]) -> dg.MaterializeResult:
        """One page a night: good or not, rows by class, minutes and money by origin, traffic, what is broken now.

        Read off the ledger and the warehouse. The same page is a file, `reports/night_{date}.md`, and what
        `cdr-pipeline status --night` prints.
        """
        with classified_failures(context):
            ctx = workplace.open(context)
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
    """The check ``nothing_is_broken``: of now, whatever night the page is about."""

    @dg.asset_check(
        asset=KEY,
        name=STANDING_CHECK,
        description=(
            "Nothing waits for a person: no night missing, no account failed, no upload held or unreadable, no file "
            "behind its records, no day suspiciously empty. Lists what is broken, since when, and the command for it."
        ),
    )
    def nothing_is_broken(
        context: dg.AssetCheckExecutionContext, workplace: dg.ResourceParam[RunContexts]
    ) -> dg.AssetCheckResult:
        ctx = workplace.open(context)
        check_sealed_files(ctx)
        broken = find_problems(ctx)
        return dg.AssetCheckResult(
            passed=not broken,
            # Old troubles do not make tonight's run a failure; the alert tells of them.
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "broken_now": len(broken),
                "oldest_since": f"{broken[0].since:%Y-%m-%d %H:%M} UTC" if broken else "none",
                "what_to_do": dg.MetadataValue.md(broken_markdown(broken)),
            },
        )

    return nothing_is_broken
