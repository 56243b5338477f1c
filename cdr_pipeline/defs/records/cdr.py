# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The warehouse's tables: records and rejects."""

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
    """The assets ``cdr`` and ``rejects``, made together: every row ends in one of them."""

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
                    "Merged from landing files: new rows inserted, changed ones updated with their history kept, "
                    "equal ones left alone."
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
                description="Rows that were refused, each with file or window, line, field, reason and raw text.",
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
                description="Loaded windows cover the whole day of every account that is expected.",
            ),
            dg.AssetCheckSpec(
                VOLUME,
                asset="cdr",
                description=(
                    "No account's day is empty or thin beside the same weekday of the four weeks before: a switch may "
                    "answer 'no rows' where its database failed."
                ),
            ),
            dg.AssetCheckSpec(
                FOREIGN,
                asset="rejects",
                description="The switch delivered no row that belongs to another account than the one asked for.",
            ),
            dg.AssetCheckSpec(
                VALID, asset="rejects", description="No row broke a rule of the field dictionary (Pandera)."
            ),
        ],
    )
    def load(
        context: dg.AssetExecutionContext, workplace: dg.ResourceParam[RunContexts], scope: Scope
    ) -> Iterator[dg.MaterializeResult]:
        with classified_failures(context):
            accounts = scope.selected_accounts(context)
            ctx = workplace.open(context)
            days_asked = partition_dates(context)
            begun = ctx.clock()
            replay = scope.replay_requested(context)
            loaded = [
                load_day(LoadRequest(day, accounts, replay=replay, others=day == days_asked[-1]), ctx)
                for day in days_asked
            ]
            uploads = load_uploads(ctx, accounts)
            shown = warehouse_summary(days_asked, touched_days(loaded, uploads), accounts, begun, ctx)
            yield cdr_result(loaded, uploads, accounts, shown)
            yield rejects_result(loaded, uploads)

    return load
