# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The asset ``delivered_files``: delivery of sealed files to their targets."""

from collections import Counter

import dagster as dg

from cdr_pipeline.defs.failure import classified_failures
from cdr_pipeline.defs.metadata import scope_metadata, table
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.scope import Scope
from cdr_pipeline.steps.days.deliver_files import DeliveredFile, DeliverRequest, deliver_files

CHECK = "every_file_has_arrived"
_LISTED = 200


def delivered_files_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``delivered_files``."""

    @dg.asset(
        deps=["sealed_days"],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="finance",
        kinds={"file"},
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset="delivered_files",
                description="Every file of a sealed day has arrived at the targets of targets.toml, with a receipt.",
            )
        ],
    )
    def delivered_files(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> dg.MaterializeResult:
        """Files of sealed days at the targets of `targets.toml`, manifest last, each with a receipt.

        Every run sends all files that are due, of all days. A file that a target refuses stays due.
        """
        with classified_failures(context):
            accounts = scope.selected_accounts(context)
            return _result(deliver_files(DeliverRequest(accounts=accounts), run_contexts.open(context)), accounts)

    return delivered_files


def _result(files: list[DeliveredFile], accounts: list[str] | None) -> dg.MaterializeResult:
    outcomes = Counter(file.outcome for file in files)
    missing = [file for file in files if file.outcome != "delivered"]
    rows = [
        (file.target, file.path, file.outcome, file.failure.code if file.failure else file.receipt or "")
        for file in (*missing, *(file for file in files if file.outcome == "delivered"))
    ]
    return dg.MaterializeResult(
        metadata={
            **scope_metadata(accounts),
            "files_delivered": outcomes["delivered"],
            "files_pending": outcomes["pending"],
            "files_refused": outcomes["refused"],
            **({"files": table(("target", "file", "outcome", "receipt or code"), rows[:_LISTED])} if rows else {}),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not missing,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "files_missing": len(missing),
                    "what_to_do": "'cdr-pipeline deliveries list' shows the files that wait",
                },
            )
        ],
    )
