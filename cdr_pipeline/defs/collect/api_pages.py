# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The asset ``api_pages``: collection from the switch's API."""

from urllib.parse import urlsplit

import dagster as dg

from cdr_pipeline.defs.columns import page_columns
from cdr_pipeline.defs.failure import classified_failures, retry_policy
from cdr_pipeline.defs.metadata import failures_metadata, scope_metadata, table
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.scope import Scope, partition_dates
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.collect.collect_day import CollectedDay, CollectRequest, collect_day

CHECK = "every_account_answered"


def api_pages_asset(days: dg.PartitionsDefinition[str], settings: Settings) -> dg.AssetsDefinition:
    """The asset ``api_pages``."""
    policy = retry_policy(settings)

    @dg.asset(
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="landing",
        kinds={"http", "file"},
        pool=switch_pool(settings),
        retry_policy=policy,
        metadata={"dagster/column_schema": page_columns()},
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset="api_pages",
                description="All windows of the day were collected completely for every account.",
            )
        ],
    )
    def api_pages(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> dg.MaterializeResult:
        """Untouched pages of the switch's CDR API, one file per account and window.

        The switch selects records by save time; windows overlap so that late saves are included. The days before are
        read again, and windows whose rows have changed are landed again. The run tag ``cdr/replay`` loads landing
        files again without a request to the switch.
        """
        with classified_failures(context):
            accounts = scope.selected_accounts(context)
            ctx = run_contexts.open(context)
            dates = [] if scope.replay_requested(context) else partition_dates(context)
            collected = [collect_day(CollectRequest(day, accounts, besides=dates), ctx) for day in dates]
            _retry_if_switch_is_down(context, collected, policy)
            return _result(collected, accounts)

    return api_pages


def switch_pool(settings: Settings) -> str:
    """Concurrency pool of the steps that send requests to this switch; its limit applies per host."""
    return f"switch/{urlsplit(settings.api_url or '').hostname or 'none'}"


def _retry_if_switch_is_down(
    context: dg.AssetExecutionContext, collected: list[CollectedDay], policy: dg.RetryPolicy
) -> None:
    """Retries the step if every account failed for a transient reason, that is, if the switch is down.

    After the last retry the run continues without the switch: uploads and earlier landing files do not need it.

    Raises:
        RetryRequested: every account failed and the policy allows another retry.
    """
    parts = [part for day in collected for part in day.accounts]
    transient = [part.failure is not None and part.failure.retryable for part in parts]
    if parts and all(transient) and context.retry_number < policy.max_retries:
        raise dg.RetryRequested(policy.max_retries, policy.calculate_delay(context.retry_number + 1))


def _result(collected: list[CollectedDay], accounts: list[str] | None) -> dg.MaterializeResult:
    parts = [account for day in collected for account in day.accounts]
    failures = [failure for day in collected for failure in day.failures]
    per_account = [
        (
            day.business_date,
            part.account_id,
            part.windows,
            part.pages,
            part.rows,
            "failed" if part.failure else "already done by another run" if part.elsewhere else "whole",
        )
        for day in collected
        for part in day.accounts
    ]
    return dg.MaterializeResult(
        metadata={
            **scope_metadata(accounts),
            "accounts": len({part.account_id for part in parts}),
            "accounts_failed": len({failure.account_id for failure in failures}),
            "accounts_already_done": len({name for day in collected for name in day.elsewhere}),
            "windows": sum(part.windows for part in parts),
            "pages": sum(part.pages for part in parts),
            "windows_read_again_unchanged": sum(part.unchanged for part in parts),
            "dagster/row_count": sum(part.rows for part in parts),
            "bytes": sum(part.bytes for part in parts),
            "per_account": table(("day", "account", "windows", "pages", "rows", "outcome"), per_account[:200]),
            **failures_metadata(failures),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not failures,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "accounts_failed": len(failures),
                    "what_to_do": "run the day again for the accounts named in failed_accounts; the others are done",
                },
            )
        ],
    )
