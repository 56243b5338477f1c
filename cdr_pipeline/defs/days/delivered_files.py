"""The asset ``delivered_files``: delivery of sealed files to their targets."""

from collections import Counter

import dagster as dg

from cdr_pipeline.defs.day_asset import DayAsset, DayCheck, DayResult, DayRun
from cdr_pipeline.defs.metadata import scope_metadata, table
from cdr_pipeline.steps.days.deliver_files import DeliveredFile, DeliverRequest, deliver_files

CHECK = "every_file_has_arrived"
_LISTED = 200


def delivered_files_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``delivered_files``."""

    def delivered_files(run: DayRun) -> DayResult:
        """Files of sealed days at the targets of `targets.toml`, manifest last, each with a receipt.

        Every run sends all files that are due, of all days. A file that a target refuses stays due.
        """
        return _result(deliver_files(DeliverRequest(accounts=run.accounts), run.ctx), run.accounts)

    return DayAsset(
        days,
        "finance",
        {"file"},
        deps=("sealed_days",),
        checks=(
            DayCheck(CHECK, "Every file of a sealed day has arrived at the targets of targets.toml, with a receipt."),
        ),
    ).of(delivered_files)


def _result(files: list[DeliveredFile], accounts: list[str] | None) -> DayResult:
    outcomes = Counter(file.outcome for file in files)
    missing = [file for file in files if file.outcome != "delivered"]
    rows = [
        (file.target, file.path, file.outcome, file.failure.code if file.failure else file.receipt or "")
        for file in (*missing, *(file for file in files if file.outcome == "delivered"))
    ]
    return DayResult(
        metadata={
            **scope_metadata(accounts),
            "files_delivered": outcomes["delivered"],
            "files_pending": outcomes["pending"],
            "files_refused": outcomes["refused"],
            **({"files": table(("target", "file", "outcome", "receipt or code"), rows[:_LISTED])} if rows else {}),
        },
        checks=lambda _dates: [
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
