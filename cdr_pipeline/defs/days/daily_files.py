# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The asset ``daily_files``: CSV files with manifests."""

from pathlib import Path

import dagster as dg

from cdr_pipeline.defs.columns import file_columns, file_lineage
from cdr_pipeline.defs.failure import classified_failures
from cdr_pipeline.defs.metadata import failures_metadata, scope_metadata, table
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.scope import Scope, partition_dates
from cdr_pipeline.exports.verify import verify_file
from cdr_pipeline.steps.days.export_days import ExportedDay, ExportRequest, export_days

CHECK = "every_file_matches_its_manifest"


def daily_files_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``daily_files``."""

    @dg.asset(
        deps=["cdr", "reconciliation"],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="finance",
        kinds={"csv", "file"},
        metadata={"dagster/column_schema": file_columns()},
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset="daily_files",
                description="Every day has its files, and their bytes, rows and totals equal those of the manifests.",
            )
        ],
    )
    def daily_files(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> dg.MaterializeResult:
        """One CSV per account and business date, with a manifest that proves it complete.

        Also exports every earlier open day whose records have changed. A file whose content is unchanged is not
        written.
        """
        with classified_failures(context):
            accounts = scope.selected_accounts(context)
            ctx = run_contexts.open(context)
            exported = export_days(ExportRequest(partition_dates(context), accounts), ctx)
            return _result(exported, accounts, ctx.settings.export_dir)

    return daily_files


def _result(exported: list[ExportedDay], accounts: list[str] | None, export_dir: Path) -> dg.MaterializeResult:
    written = [file for item in exported for file in item.files if file.changed]
    failures = [item.failure for item in exported if item.failure is not None]
    broken = [file.path.name for file in written if verify_file(file.path)]
    header = ("day", "account", "state", "version", "rows", "bytes", "sha256", "outcome", "file")
    return dg.MaterializeResult(
        metadata={
            **scope_metadata(accounts),
            "days": len(exported),
            "days_late_pending": sum(item.late_pending for item in exported),
            "files": sum(len(item.files) for item in exported),
            "files_written": len(written),
            "earlier_days_written_again": sum(not item.asked for item in exported),
            "dagster/row_count": sum(item.file.rows for item in exported if item.file),
            "bytes": sum(item.file.size for item in exported if item.file),
            "dagster/column_lineage": file_lineage(),
            "folder": dg.MetadataValue.path(str(export_dir)),
            "days_failed": len(failures),
            **failures_metadata(failures),
            "per_day": table(header, [_line(item, export_dir) for item in exported[:200]]),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not broken and not failures,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "files_checked": len(written),
                    "files_broken": len(broken),
                    "days_failed": len(failures),
                    **failures_metadata(failures),
                    **({"broken": table(("file",), [(name,) for name in broken[:200]])} if broken else {}),
                },
            )
        ],
    )


def _line(item: ExportedDay, export_dir: Path) -> tuple[object, ...]:
    """State, version, rows and path of the file of one day."""
    if item.file is None:
        code = item.failure.code if item.failure else ""
        return (item.business_date, item.account_id, "failed", "", "", "", "", code, "")
    manifest = item.file.manifest
    if item.late_pending:
        outcome = "late records wait for a restatement"
    else:
        outcome = "written" if item.file.changed else "unchanged"
    return (
        item.business_date,
        item.account_id,
        manifest.state,
        manifest.version,
        item.file.rows,
        item.file.size,
        item.file.sha256[:12],
        outcome,
        item.file.path.relative_to(export_dir),
    )
