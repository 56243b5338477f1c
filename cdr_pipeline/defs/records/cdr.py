# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The assets ``cdr`` and ``rejects``: the tables of records and rejects."""

from collections.abc import Iterator

import dagster as dg

from cdr_pipeline.defs.columns import record_columns, reject_columns
from cdr_pipeline.defs.day_asset import DayCheck, DayResult, DayRun, check_specs, code_reference, materialized
from cdr_pipeline.defs.failure import classified_failures, retry_policy
from cdr_pipeline.defs.metadata import account_names
from cdr_pipeline.defs.outcome import require_good_run
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
from cdr_pipeline.defs.scope import Scope
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
                    "dagster/code_references": code_reference(_load),
                },
            ),
            dg.AssetSpec(
                "rejects",
                deps=["api_pages", "uploads"],
                kinds={"postgres", "table"},
                description="Rejected rows, each with file or window, line, field, reason and raw text.",
                metadata={
                    "dagster/table_name": "rejects",
                    "dagster/column_schema": reject_columns(),
                    "dagster/code_references": code_reference(_load),
                },
            ),
        ],
        check_specs=[
            *check_specs(
                days,
                "cdr",
                [
                    DayCheck(
                        BALANCE,
                        "read = merged + unchanged + duplicate + rejected + filtered, for every batch.",
                        blocking=True,
                    ),
                    DayCheck(COMPLETE, "Loaded windows cover the complete day of every expected account."),
                    DayCheck(
                        VOLUME,
                        (
                            "No account's day is empty or unusually small compared with the same weekday of the four "
                            "weeks before: a switch may return no rows when its database has failed."
                        ),
                    ),
                ],
            ),
            *check_specs(
                days,
                "rejects",
                [
                    DayCheck(FOREIGN, "The switch delivered no row of an account other than the requested one."),
                    DayCheck(VALID, "No row broke a rule of the field dictionary (Pandera)."),
                ],
            ),
        ],
    )
    def load(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> Iterator[dg.MaterializeResult]:
        with classified_failures(context):
            run = DayRun.open(context, run_contexts, scope)
            yield from materialized(run, _load(run))
        require_good_run(context)

    return load


def _load(run: DayRun) -> list[DayResult]:
    started_at = run.ctx.clock()
    replay = run.scope.replay_requested(run.dagster)
    loaded = [
        load_day(LoadRequest(day, run.accounts, replay=replay, others=day == run.dates[-1]), run.ctx)
        for day in run.dates
    ]
    uploads = load_uploads(run.ctx, run.accounts)
    summary = warehouse_summary(run.dates, touched_days(loaded, uploads), run.accounts, started_at, run.ctx)
    names = account_names(run.ctx)
    return [cdr_result(loaded, uploads, run.accounts, summary, names), rejects_result(loaded, uploads)]
