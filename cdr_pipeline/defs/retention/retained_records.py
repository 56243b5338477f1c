# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The asset ``retained_records``: applies the retention policies."""

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
                description="Every month that is older than the retention period of its account was removed.",
            )
        ],
    )
    def retained_records(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> dg.MaterializeResult:
        """Records removed, archived and masked by the policy of their account; without a policy, all records stay.

        Every run looks at all due months. A month is removed as a whole, after all its days are sealed and their files
        contain all changes.
        """
        with classified_failures(context):
            accounts = scope.selected_accounts(context)
            return _result(retain_records(run_contexts.open(context), accounts=accounts), accounts)

    return retained_records


def _result(result: RetentionResult, accounts: list[str] | None) -> dg.MaterializeResult:
    removed = [month for month in result.months if month.outcome == "removed"]
    rows = [
        (month.account_id, f"{month.month:%Y-%m}", month.outcome, month.records, ", ".join(map(str, month.unfinished)))
        for month in result.months
    ]
    not_applied = sum(month.outcome not in ("removed", "already") for month in result.months) + len(result.unmasked)
    header = ("account", "month", "outcome", "records", "blocking days")
    return dg.MaterializeResult(
        metadata={
            **scope_metadata(accounts),
            "records_removed": sum(month.records for month in removed),
            "records_archived": sum(month.archived.rows for month in removed if month.archived is not None),
            "records_masked": sum(result.masked.values()),
            "partitions_dropped": len(result.dropped),
            **({"months": table(header, rows)} if rows else {}),
            **failures_metadata(result.failures),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not not_applied,
                severity=dg.AssetCheckSeverity.ERROR if result.failures else dg.AssetCheckSeverity.WARN,
                metadata={
                    "not_applied": not_applied,
                    "what_to_do": "seal or restate the blocking days ('cdr-pipeline days'); the next night continues",
                },
            )
        ],
    )
