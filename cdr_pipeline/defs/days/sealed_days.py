"""The asset ``sealed_days``: seals due days and checks sealed files."""

from collections import Counter
from collections.abc import Mapping, Sequence

import dagster as dg
from pydantic import TypeAdapter

from cdr_pipeline.defs.day_asset import DayAsset, DayCheck, DayResult, DayRun
from cdr_pipeline.defs.metadata import AccountTitles, console_link, failures_metadata, plot, scope_metadata, table
from cdr_pipeline.defs.shards import AccountWork, day_asset
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.seal_days import SealedDay, SealRequest, seal_days
from cdr_pipeline.steps.days.sealed_files import HASHED_A_NIGHT, SealedCheck, check_sealed_files
from cdr_pipeline.steps.failure import AccountFailure

CHECK = "every_due_day_is_sealed"
FILES_CHECK = "every_sealed_file_is_there"
_LISTED = 200


def sealed_days_asset(days: dg.PartitionsDefinition[str], settings: Settings) -> dg.AssetsDefinition:
    """The asset ``sealed_days``."""

    def sealed_days(run: DayRun) -> list[SealedDay]:
        """Sealed manifests: a day past its grace period becomes final unless a problem blocks it.

        Every run looks at all due days. A sealed file never changes; for later records the sensor `late_data` writes
        a new version.
        """
        return seal_days(SealRequest(accounts=run.accounts), run.ctx)

    def results(sealed: list[SealedDay], run: DayRun) -> list[DayResult]:
        return [_result(sealed, check_sealed_files(run.ctx, hash_bytes=HASHED_A_NIGHT), run)]

    asset = DayAsset(
        days,
        "finance",
        {"file", "json"},
        deps=(
            "daily_files",
            "reconciliation",
        ),
        checks=(
            DayCheck(CHECK, "No day past its grace period is kept open by a problem that needs manual action."),
            DayCheck(
                FILES_CHECK,
                (
                    "Every sealed file exists with its size, its manifest and its line in SHA256SUMS; hashes are "
                    "compared in turn, 2 GiB of files a night."
                ),
            ),
        ),
    )
    work = AccountWork(work=sealed_days, results=results, join=_joined, fail=_failed, kind=TypeAdapter(list[SealedDay]))
    return day_asset(asset, work, settings)


def _joined(shards: Sequence[list[SealedDay]], _run: DayRun) -> list[SealedDay]:
    return [day for shard in shards for day in shard]


def _failed(failures: Sequence[AccountFailure], run: DayRun) -> list[SealedDay]:
    return [SealedDay(failure.account_id, day, "failed", failure=failure) for day in run.dates for failure in failures]


def _result(days: list[SealedDay], sealed: SealedCheck, run: DayRun) -> DayResult:
    titles = AccountTitles.of(run.ctx)
    outcomes = Counter(day.outcome for day in days)
    waiting = [day for day in days if day.outcome in ("refused", "failed")]
    obstacles = Counter(obstacle.value for day in waiting for obstacle in day.obstacles)
    rows = [
        (
            day.business_date,
            titles.day(day.account_id, day.business_date),
            day.outcome,
            ", ".join(obstacle.value for obstacle in day.obstacles) or "-",
        )
        for day in (*waiting, *(day for day in days if day not in waiting))
    ]
    return DayResult(
        metadata={
            **scope_metadata(run.accounts),
            **console_link(titles.settings, f"/calendar?month={max(run.dates):%Y-%m}"),
            "days_sealed": outcomes["sealed"],
            "days_kept_open": len(waiting),
            **plot("Due days by outcome", _by_day(days)),
            **({"days": table(("day", "account", "outcome", "in the way"), rows[:_LISTED])} if rows else {}),
            **({"in_the_way": table(("obstacle", "days"), sorted(obstacles.items()))} if obstacles else {}),
            **failures_metadata((day.failure for day in days if day.failure is not None), titles.names),
        },
        checks=lambda _dates: [
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


def _by_day(days: Sequence[SealedDay]) -> list[tuple[str, Mapping[str, float | None]]]:
    """Number of accounts by outcome for each due day, oldest first."""
    outcomes = sorted({day.outcome for day in days})
    counts = Counter((day.business_date, day.outcome) for day in days)
    return [
        (f"{date:%d.%m.}", {outcome: float(counts[date, outcome]) for outcome in outcomes})
        for date in sorted({day.business_date for day in days})
    ]
