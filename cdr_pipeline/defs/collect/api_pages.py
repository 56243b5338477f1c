"""The asset ``api_pages``: collection from the switch's API."""

from collections.abc import Mapping, Sequence
from typing import Final

import dagster as dg
from pydantic import TypeAdapter

from cdr_pipeline.defs.columns import page_columns
from cdr_pipeline.defs.day_asset import DayAsset, DayCheck, DayResult, DayRun
from cdr_pipeline.defs.failure import retry_policy
from cdr_pipeline.defs.metadata import AccountTitles, failures_metadata, plot, scope_metadata, table
from cdr_pipeline.defs.pools import switch_pool
from cdr_pipeline.defs.shards import AccountWork, day_asset
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.collect.collect_account import AccountCollected
from cdr_pipeline.steps.collect.collect_day import CollectedDay, CollectRequest, collect_day
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.operations.remedies import remedy_of

_CAUSES_NAMED: Final = 3

CHECK = "every_account_answered"


def api_pages_asset(days: dg.PartitionsDefinition[str], settings: Settings) -> dg.AssetsDefinition:
    """The asset ``api_pages``."""
    policy = retry_policy(settings)

    def api_pages(run: DayRun) -> list[CollectedDay]:
        """Untouched pages of the switch's CDR API, one file per account and window.

        The switch selects records by save time; windows overlap so that late saves are included. The days before are
        read again, and windows whose rows have changed are landed again. The run tag ``cdr/replay`` loads landing
        files again without a request to the switch.
        """
        dates = [] if run.scope.replay_requested(run.dagster) else run.dates
        collected = [collect_day(CollectRequest(day, run.accounts, besides=dates), run.ctx) for day in dates]
        _retry_if_switch_is_down(run, collected, policy)
        return collected

    asset = DayAsset(
        days,
        "landing",
        {"http", "file"},
        checks=(DayCheck(CHECK, "All windows of the day were collected completely for every account."),),
        retry_policy=policy,
        metadata={"dagster/column_schema": page_columns()},
    )
    work = AccountWork(
        work=api_pages,
        results=lambda collected, run: [_result(collected, run)],
        join=_joined,
        fail=_failed,
        kind=TypeAdapter(list[CollectedDay]),
        pool=switch_pool(settings),
    )
    return day_asset(asset, work, settings)


def _retry_if_switch_is_down(run: DayRun, collected: list[CollectedDay], policy: dg.RetryPolicy) -> None:
    """Retries the step if every account failed for a transient reason, that is, if the switch is down.

    After the last retry the run continues without the switch: uploads and earlier landing files do not need it.

    Raises:
        RetryRequested: every account failed and the policy allows another retry.
    """
    parts = [part for day in collected for part in day.accounts]
    transient = [part.failure is not None and part.failure.retryable for part in parts]
    if parts and all(transient) and run.retry_number < policy.max_retries:
        seconds = policy.calculate_delay(run.retry_number + 1)
        causes = sorted({part.failure.message for part in parts if part.failure is not None})
        run.ctx.progress(
            f"the switch cannot be asked ({'; '.join(causes[:_CAUSES_NAMED])}); trying again in {seconds:g} s"
        )
        raise dg.RetryRequested(policy.max_retries, seconds)


def _joined(shards: Sequence[list[CollectedDay]], run: DayRun) -> list[CollectedDay]:
    parts = [day for shard in shards for day in shard]
    collected: list[CollectedDay] = []
    for day in [] if run.scope.replay_requested(run.dagster) else run.dates:
        accounts = [item for part in parts if part.business_date == day for item in part.accounts]
        collected.append(CollectedDay(day, tuple(sorted(accounts, key=lambda item: item.account_id))))
    return collected


def _failed(failures: Sequence[AccountFailure], run: DayRun) -> list[CollectedDay]:
    accounts = tuple(AccountCollected(failure.account_id, failure=failure) for failure in failures)
    return [CollectedDay(day, accounts) for day in run.dates]


def _result(collected: list[CollectedDay], run: DayRun) -> DayResult:
    parts = [account for day in collected for account in day.accounts]
    failures = [failure for day in collected for failure in day.failures]
    titles = AccountTitles.of(run.ctx)
    names = titles.names
    per_account = [
        (
            day.business_date,
            titles.day(part.account_id, day.business_date),
            part.windows,
            part.pages,
            part.rows,
            "failed" if part.failure else "already done by another run" if part.elsewhere else "whole",
        )
        for day in collected
        for part in day.accounts
    ]
    return DayResult(
        metadata={
            **scope_metadata(run.accounts),
            "accounts": len({part.account_id for part in parts}),
            "accounts_failed": len({failure.account_id for failure in failures}),
            "accounts_already_done": len({name for day in collected for name in day.elsewhere}),
            "windows": sum(part.windows for part in parts),
            "pages": sum(part.pages for part in parts),
            "windows_read_again_unchanged": sum(part.unchanged for part in parts),
            "dagster/row_count": sum(part.rows for part in parts),
            "bytes": sum(part.bytes for part in parts),
            "per_account": table(("day", "account", "windows", "pages", "rows", "outcome"), per_account[:200]),
            **plot("Rows that the switch delivered, by account", _rows_by_account(parts, titles)),
            **failures_metadata(failures, names),
        },
        checks=lambda dates: [_answered([day for day in collected if day.business_date in dates], names)],
    )


def _rows_by_account(
    parts: Sequence[AccountCollected], titles: AccountTitles
) -> list[tuple[str, Mapping[str, float | None]]]:
    """Rows by account, the largest first. An account that failed is a gap."""
    rows: dict[str, float] = {}
    for part in parts:
        rows[part.account_id] = rows.get(part.account_id, 0.0) + part.rows
    failed = {part.account_id for part in parts if part.failure is not None}
    return [
        (titles.name(account_id), {"rows": None if account_id in failed else count})
        for account_id, count in sorted(rows.items(), key=lambda item: -item[1])
    ]


def _answered(collected: list[CollectedDay], names: Mapping[str, str]) -> dg.AssetCheckResult:
    failures = [failure for day in collected for failure in day.failures]
    days = sorted({day.business_date for day in collected if day.failures})
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not failures,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "accounts_failed": len({failure.account_id for failure in failures}),
            **failures_metadata(failures, names),
            **({"what_to_do": remedy_of(failures, days)} if failures else {}),
        },
    )
