# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The assets ``cdr`` and ``rejects``: the tables of records and rejects."""

from collections.abc import Iterator

import dagster as dg

from cdr_pipeline.defs.columns import record_columns, reject_columns
from cdr_pipeline.defs.failure import classified_failures, retry_policy
from cdr_pipeline.defs.records.cdr_results import (
    BALANCE,
    COMPLETE,
    FOREIGN,
    VALID,
    VOLUME,
    cdr_result,
    rejects_result,
    touched_days,
)
from cdr_pipeline.defs.records.traffic import warehouse_summary
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.scope import Scope, partition_dates
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.uploads.load_uploads import load_uploads


def cdr_assets(days: dg.PartitionsDefinition[str], settings: Settings) -> dg.AssetsDefinition:
    """The assets ``cdr`` and ``rejects``. One step makes both, because every row ends in one of them."""

    @dg.multi_asset(
        name="load",
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="warehouse",
        pool="warehouse",
        retry_policy=retry_policy(settings),
        specs=[
            dg.AssetSpec(
                "cdr",
                deps=["api_pages", "uploads"],
                kinds={"postgres", "table"},
                description=(
                    "Call detail records, one row per record as its origin delivered it, tagged api or imported.\n\n"
                    "Merged from landing files: new rows are inserted, changed rows updated (with history), "
                    "equal rows are skipped."
                ),
                metadata={
                    "dagster/table_name": "cdr",
                    "dagster/column_schema": record_columns(),
                },
            ),
            dg.AssetSpec(
                "rejects",
                deps=["api_pages", "uploads"],
                kinds={"postgres", "table"},
                description="Rejected rows, each with file or window, line, field, reason and raw text.",
                metadata={"dagster/table_name": "rejects", "dagster/column_schema": reject_columns()},
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                BALANCE,
                asset="cdr",
                blocking=True,
                description="read = merged + unchanged + duplicate + rejected + filtered, for every batch.",
            ),
            dg.AssetCheckSpec(
                COMPLETE,
                asset="cdr",
                description="Loaded windows cover the complete day of every expected account.",
            ),
            dg.AssetCheckSpec(
                VOLUME,
                asset="cdr",
                description=(
                    "No account's day is empty or unusually small compared with the same weekday of the four weeks "
                    "before: a switch may return no rows when its database has failed."
                ),
            ),
            dg.AssetCheckSpec(
                FOREIGN,
                asset="rejects",
                description="The switch delivered no row of an account other than the requested one.",
            ),
            dg.AssetCheckSpec(
                VALID, asset="rejects", description="No row broke a rule of the field dictionary (Pandera)."
            ),
        ],
    )
    def load(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> Iterator[dg.MaterializeResult]:
        with classified_failures(context):
            accounts = scope.selected_accounts(context)
            ctx = run_contexts.open(context)
            dates = partition_dates(context)
            started_at = ctx.clock()
            replay = scope.replay_requested(context)
            loaded = [
                load_day(LoadRequest(day, accounts, replay=replay, others=day == dates[-1]), ctx) for day in dates
            ]
            uploads = load_uploads(ctx, accounts)
            summary = warehouse_summary(dates, touched_days(loaded, uploads), accounts, started_at, ctx)
            yield cdr_result(loaded, uploads, accounts, summary)
            yield rejects_result(loaded, uploads)

    return load
