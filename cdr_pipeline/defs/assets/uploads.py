# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""Landing files of carriers and other systems."""

import dagster as dg

from cdr_pipeline.defs.failure import told_apart
from cdr_pipeline.defs.metadata import table
from cdr_pipeline.defs.resources import Workplaces
from cdr_pipeline.defs.scope import asked_accounts
from cdr_pipeline.steps.take_in_uploads import TakenIn, take_in_uploads

CHECK = "every_file_has_a_place"


def uploads_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``uploads``."""

    @dg.asset(
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="landing",
        kinds={"csv", "file"},
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset="uploads",
                description="Every waiting file lies in a folder of a known account and profile and can be opened.",
            )
        ],
    )
    def uploads(context: dg.AssetExecutionContext, workplace: dg.ResourceParam[Workplaces]) -> dg.MaterializeResult:
        """Files of carriers and other systems, taken in from the drop folder.

        A file dropped at ``uploads/{account_id}/{profile}/`` is copied to landing byte for byte, known from then on
        by its sha256, and removed from the drop folder.
        """
        with told_apart(context):
            return _result(take_in_uploads(workplace.open(context), asked_accounts(context)))

    return uploads


def _result(taken: TakenIn) -> dg.MaterializeResult:
    files = [(item.file_name, item.account_id, item.profile, item.size, item.sha256[:12]) for item in taken.files]
    refused = [(item.place, item.code, item.message) for item in taken.refused]
    return dg.MaterializeResult(
        metadata={
            "files_taken_in": len(taken.files),
            "files_known_before": sum(item.known for item in taken.files),
            "files_refused": len(refused),
            "bytes": sum(item.size for item in taken.files),
            **({"files": table(("file", "account", "profile", "bytes", "sha256"), files)} if files else {}),
            **({"refused": table(("place", "code", "what happened"), refused)} if refused else {}),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not refused,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"files_refused": len(refused)},
            )
        ],
    )
