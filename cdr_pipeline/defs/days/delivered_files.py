"""The asset ``delivered_files``: delivery of sealed files to their targets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

import dagster as dg
from pydantic import TypeAdapter

from cdr_pipeline.defs.day_asset import DayAsset, DayCheck, DayResult, DayRun
from cdr_pipeline.defs.metadata import console_link, plot, scope_metadata, table
from cdr_pipeline.defs.shards import AccountWork, day_asset
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.deliver_files import DeliveredFile, DeliverRequest, deliver_files
from cdr_pipeline.steps.failure import AccountFailure

CHECK = "every_file_has_arrived"
_LISTED = 200


def delivered_files_asset(days: dg.PartitionsDefinition[str], settings: Settings) -> dg.AssetsDefinition:
    """The asset ``delivered_files``."""

    def delivered_files(run: DayRun) -> list[DeliveredFile]:
        """Files of sealed days at the targets of `targets.toml`, manifest last, each with a receipt.

        Every run sends all files that are due, of all days. A file that a target refuses stays due.
        """
        return deliver_files(DeliverRequest(accounts=run.accounts), run.ctx)

    asset = DayAsset(
        days,
        "finance",
        {"file"},
        deps=("sealed_days",),
        checks=(
            DayCheck(CHECK, "Every file of a sealed day has arrived at the targets of targets.toml, with a receipt."),
        ),
    )
    work = AccountWork(
        work=delivered_files,
        results=lambda files, run: [_result(files, run)],
        join=_joined,
        fail=_failed,
        kind=TypeAdapter(list[DeliveredFile]),
    )
    return day_asset(asset, work, settings)


def _joined(shards: Sequence[list[DeliveredFile]], _run: DayRun) -> list[DeliveredFile]:
    return [file for shard in shards for file in shard]


def _failed(failures: Sequence[AccountFailure], _run: DayRun) -> list[DeliveredFile]:
    """One pending file for each account: which of its files are due is not known."""
    return [
        DeliveredFile(item.account_id, "all", "all files", "pending", timedelta(), failure=item) for item in failures
    ]


def _result(files: list[DeliveredFile], run: DayRun) -> DayResult:
    outcomes = Counter(file.outcome for file in files)
    missing = [file for file in files if file.outcome != "delivered"]
    rows = [
        (file.target, file.path, file.outcome, file.failure.code if file.failure else file.receipt or "")
        for file in (*missing, *(file for file in files if file.outcome == "delivered"))
    ]
    return DayResult(
        metadata={
            **scope_metadata(run.accounts),
            **console_link(run.ctx.settings, "/deliveries"),
            **plot("Files by target", _by_target(files)),
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


def _by_target(files: Sequence[DeliveredFile]) -> list[tuple[str, Mapping[str, float | None]]]:
    counts = Counter((file.target, file.outcome) for file in files)
    return [
        (target, {outcome: float(counts[target, outcome]) for outcome in ("delivered", "pending", "refused")})
        for target in sorted({file.target for file in files})
    ]
