# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The asset ``sealed_days``: seals due days and checks sealed files."""

from collections import Counter

import dagster as dg

from cdr_pipeline.defs.failure import classified_failures
from cdr_pipeline.defs.metadata import failures_metadata, scope_metadata, table
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.scope import Scope
from cdr_pipeline.steps.days.seal_days import SealedDay, SealRequest, seal_days
from cdr_pipeline.steps.days.sealed_files import HASHED_A_NIGHT, SealedCheck, check_sealed_files

CHECK = "every_due_day_is_sealed"
FILES_CHECK = "every_sealed_file_is_there"
_LISTED = 200


def sealed_days_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``sealed_days``."""

    @dg.asset(
        deps=["daily_files", "reconciliation"],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="finance",
        kinds={"file", "json"},
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset="sealed_days",
                description="No day past its grace period is kept open by a problem that needs manual action.",
            ),
            dg.AssetCheckSpec(
                FILES_CHECK,
                asset="sealed_days",
                description=(
                    "Every sealed file exists with its size, its manifest and its line in SHA256SUMS; hashes are "
                    "compared in turn, 2 GiB of files a night."
                ),
            ),
        ],
    )
    def sealed_days(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> dg.MaterializeResult:
        """Sealed manifests: a day past its grace period becomes final unless a problem blocks it.

        Every run looks at all due days. A sealed file never changes; for later records the sensor `late_data` writes
        a new version.
        """
        with classified_failures(context):
            accounts = scope.selected_accounts(context)
            ctx = run_contexts.open(context)
            days = seal_days(SealRequest(accounts=accounts), ctx)
            return _result(days, check_sealed_files(ctx, hash_bytes=HASHED_A_NIGHT), accounts)

    return sealed_days


def _result(days: list[SealedDay], sealed: SealedCheck, accounts: list[str] | None) -> dg.MaterializeResult:
    outcomes = Counter(day.outcome for day in days)
    waiting = [day for day in days if day.outcome in ("refused", "failed")]
    obstacles = Counter(obstacle.value for day in waiting for obstacle in day.obstacles)
    rows = [
        (day.business_date, day.account_id, day.outcome, ", ".join(obstacle.value for obstacle in day.obstacles) or "-")
        for day in (*waiting, *(day for day in days if day not in waiting))
    ]
    return dg.MaterializeResult(
        metadata={
            **scope_metadata(accounts),
            "days_sealed": outcomes["sealed"],
            "days_kept_open": len(waiting),
            **({"days": table(("day", "account", "outcome", "in the way"), rows[:_LISTED])} if rows else {}),
            **({"in_the_way": table(("obstacle", "days"), sorted(obstacles.items()))} if obstacles else {}),
            **failures_metadata(day.failure for day in days if day.failure is not None),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not waiting,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "days_kept_open": len(waiting),
                    "what_to_do": "fix the problems that block the days, or seal anyway: 'cdr-pipeline days seal'",
                },
            ),
            dg.AssetCheckResult(
                check_name=FILES_CHECK,
                passed=not sealed.faulty,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "files_checked": sealed.files,
                    "hashes_compared": sealed.hashed,
                    "files_damaged": len(sealed.faulty),
                    "what_to_do": "'cdr-pipeline days repair' restores the files or names the next step",
                    **(
                        {
                            "damaged": table(
                                ("file", "fault", "since"),
                                [(file.path, file.fault, file.fault_since) for file in sealed.faulty[:_LISTED]],
                            )
                        }
                        if sealed.faulty
                        else {}
                    ),
                },
            ),
        ],
    )
