# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""Finance's files."""

import dagster as dg

from cdr_pipeline.defs.columns import file_columns, file_lineage
from cdr_pipeline.defs.failure import told_apart
from cdr_pipeline.defs.metadata import scope_metadata, table
from cdr_pipeline.defs.resources import Workplaces
from cdr_pipeline.defs.scope import asked_accounts, asked_dates
from cdr_pipeline.exports.verify import verify_file
from cdr_pipeline.steps.export_days import ExportedDay, ExportRequest, export_days

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
                description="Bytes, hash, rows and totals of every file equal what its manifest says.",
            )
        ],
    )
    def daily_files(context: dg.AssetExecutionContext, workplace: dg.ResourceParam[Workplaces]) -> dg.MaterializeResult:
        """One CSV per account and business date, with a manifest that proves it whole.

        Also remakes the file of every earlier open day whose records have changed. A file whose content is unchanged
        is left alone to the byte.
        """
        with told_apart(context):
            accounts = asked_accounts(context)
            at = workplace.open(context)
            exported = export_days(ExportRequest(asked_dates(context), accounts), at)
            return _result(exported, accounts, str(at.settings.export_dir))

    return daily_files


def _result(exported: list[ExportedDay], accounts: list[str] | None, export_dir: str) -> dg.MaterializeResult:
    differences = {item.file.path.name: verify_file(item.file.path) for item in exported if item.file.changed}
    broken = [(name, found) for name, found in differences.items() if found]
    listed = [
        (
            item.business_date,
            item.account_id,
            item.file.rows,
            item.file.size,
            item.file.sha256[:12],
            _outcome(item),
        )
        for item in exported
    ]
    return dg.MaterializeResult(
        metadata={
            **scope_metadata(accounts),
            "files": len(exported),
            "files_written": sum(item.file.changed for item in exported),
            "files_unchanged": sum(not item.file.changed for item in exported),
            "earlier_days_written_again": sum(not item.asked for item in exported),
            "dagster/row_count": sum(item.file.rows for item in exported),
            "bytes": sum(item.file.size for item in exported),
            "dagster/column_lineage": file_lineage(),
            "folder": dg.MetadataValue.path(export_dir),
            "per_file": table(("day", "account", "rows", "bytes", "sha256", "outcome"), listed[:200]),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not broken,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"files_checked": len(differences), "files_broken": len(broken)},
            )
        ],
    )


def _outcome(item: ExportedDay) -> str:
    return "written" if item.file.changed else "unchanged"
