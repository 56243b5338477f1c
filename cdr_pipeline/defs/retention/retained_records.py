# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""Old records that went by policy."""

import dagster as dg

from cdr_pipeline.defs.failure import classified_failures
from cdr_pipeline.defs.metadata import failures_metadata, scope_metadata, table
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.scope import Scope
from cdr_pipeline.steps.retention.retain_records import RetentionResult, retain_records

CHECK = "every_policy_is_applied"


def retained_records_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``retained_records``."""

    @dg.asset(
        deps=["sealed_days"],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="warehouse",
        kinds={"postgres", "parquet"},
        pool="warehouse",
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset="retained_records",
                description="Every month that is older than its account's policy keeps was removed.",
            )
        ],
    )
    def retained_records(
        context: dg.AssetExecutionContext, workplace: dg.ResourceParam[RunContexts], scope: Scope
    ) -> dg.MaterializeResult:
        """Records removed, archived and masked as the accounts' policies say; without a policy, everything stays.

        Whatever night runs, all that is due is looked at. A month goes whole, once its days are sealed and their files
        show all changes.
        """
        with classified_failures(context):
            accounts = scope.selected_accounts(context)
            return _result(retain_records(workplace.open(context), accounts=accounts), accounts)

    return retained_records


def _result(done: RetentionResult, accounts: list[str] | None) -> dg.MaterializeResult:
    removed = [month for month in done.months if month.outcome == "removed"]
    listed = [
        (month.account_id, f"{month.month:%Y-%m}", month.outcome, month.records, ", ".join(map(str, month.unfinished)))
        for month in done.months
    ]
    kept = sum(month.outcome not in ("removed", "already") for month in done.months) + len(done.unmasked)
    header = ("account", "month", "outcome", "records", "days in the way")
    return dg.MaterializeResult(
        metadata={
            **scope_metadata(accounts),
            "records_removed": sum(month.records for month in removed),
            "records_archived": sum(month.archived.rows for month in removed if month.archived is not None),
            "records_masked": sum(done.masked.values()),
            "partitions_dropped": len(done.dropped),
            **({"months": table(header, listed)} if listed else {}),
            **failures_metadata(done.failures),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not kept,
                severity=dg.AssetCheckSeverity.ERROR if done.failures else dg.AssetCheckSeverity.WARN,
                metadata={
                    "not_applied": kept,
                    "what_to_do": "seal or restate the days in the way: 'cdr-pipeline days'; the next night goes on",
                },
            )
        ],
    )
