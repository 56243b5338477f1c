"""The asset ``retained_records``: applies the retention policies."""

from collections.abc import Mapping

import dagster as dg

from cdr_pipeline.defs.day_asset import DayAsset, DayCheck, DayResult, DayRun
from cdr_pipeline.defs.metadata import AccountTitles, failures_metadata, plot, scope_metadata, table
from cdr_pipeline.defs.pools import WAREHOUSE
from cdr_pipeline.steps.retention.retain_records import RetentionResult, retain_records

CHECK = "every_policy_is_applied"


def retained_records_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``retained_records``."""

    def retained_records(run: DayRun) -> DayResult:
        """Records removed, archived and masked by the policy of their account; without a policy, all records stay.

        Every run looks at all due months. A month is removed as a whole, after all its days are sealed and their files
        contain all changes.
        """
        return _result(retain_records(run.ctx, accounts=run.accounts), run.accounts, AccountTitles.of(run.ctx))

    return DayAsset(
        days,
        "warehouse",
        {"postgres", "parquet"},
        deps=("sealed_days",),
        checks=(DayCheck(CHECK, "Every month that is older than the retention period of its account was removed."),),
        pool=WAREHOUSE,
    ).of(retained_records)


def _result(result: RetentionResult, accounts: list[str] | None, titles: AccountTitles) -> DayResult:
    removed = [month for month in result.months if month.outcome == "removed"]
    rows = [
        (
            titles.name(month.account_id),
            f"{month.month:%Y-%m}",
            month.outcome,
            month.records,
            ", ".join(map(str, month.unfinished)),
        )
        for month in result.months
    ]
    not_applied = sum(month.outcome not in ("removed", "already") for month in result.months) + len(result.unmasked)
    header = ("account", "month", "outcome", "records", "blocking days")
    return DayResult(
        metadata={
            **scope_metadata(accounts),
            "records_removed": sum(month.records for month in removed),
            "records_archived": sum(month.archived.rows for month in removed if month.archived is not None),
            "records_masked": sum(result.masked.values()),
            "partitions_dropped": len(result.dropped),
            **plot("Records removed, by month of the records", _by_month(result)),
            **({"months": table(header, rows)} if rows else {}),
            **failures_metadata(result.failures, titles.names),
        },
        checks=lambda _dates: [
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


def _by_month(result: RetentionResult) -> list[tuple[str, Mapping[str, float | None]]]:
    removed: dict[str, float] = {}
    for month in result.months:
        if month.outcome == "removed":
            name = f"{month.month:%Y-%m}"
            removed[name] = removed.get(name, 0.0) + month.records
    return [(name, {"records": count}) for name, count in sorted(removed.items())]
