"""The assets ``cdr`` and ``rejects``: the tables of records and rejects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from pydantic import TypeAdapter

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.defs.columns import record_columns, reject_columns
from cdr_pipeline.defs.day_asset import DayCheck, DayResult, DayRun, check_specs, code_reference
from cdr_pipeline.defs.failure import retry_policy
from cdr_pipeline.defs.metadata import AccountTitles
from cdr_pipeline.defs.pools import WAREHOUSE
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
from cdr_pipeline.defs.shards import AccountWork, WorkStep, day_assets
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.collect.load_day import AccountLoaded, LoadedDay, LoadRequest, load_day
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.uploads.load_uploads import LoadedUploads, load_uploads


@dataclass(frozen=True, slots=True)
class LoadedDays:
    """Loaded days and uploads, and the start of the load in UTC."""

    started_at: datetime
    days: list[LoadedDay]
    uploads: LoadedUploads


def cdr_assets(days: dg.PartitionsDefinition[str], settings: Settings) -> dg.AssetsDefinition:
    """The assets ``cdr`` and ``rejects``. One step makes both, because every row ends in one of them."""
    step = WorkStep(
        "load",
        days,
        retry=retry_policy(settings),
        specs=[
            dg.AssetSpec(
                "cdr",
                deps=["api_pages", "uploads"],
                group_name="warehouse",
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
                group_name="warehouse",
                kinds={"postgres", "table"},
                description="Rejected rows, each with file or window, line, field, reason and raw text.",
                metadata={
                    "dagster/table_name": "rejects",
                    "dagster/column_schema": reject_columns(),
                    "dagster/code_references": code_reference(_load),
                },
            ),
        ],
        checks=[
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
    work = AccountWork(
        work=_load, results=_results, join=_joined, fail=_failed, kind=TypeAdapter(LoadedDays), pool=WAREHOUSE
    )
    return day_assets(step, work, settings)


def _load(run: DayRun) -> LoadedDays:
    started_at = run.ctx.clock()
    replay = run.scope.replay_requested(run.dagster)
    loaded = [
        load_day(LoadRequest(day, run.accounts, replay=replay, others=day == run.dates[-1]), run.ctx)
        for day in run.dates
    ]
    return LoadedDays(started_at, loaded, load_uploads(run.ctx, run.accounts))


def _results(loads: LoadedDays, run: DayRun) -> list[DayResult]:
    loaded, uploads = loads.days, loads.uploads
    summary = warehouse_summary(run.dates, touched_days(loaded, uploads), run.accounts, loads.started_at, run.ctx)
    titles = AccountTitles.of(run.ctx)
    return [cdr_result(loaded, uploads, run.accounts, summary, titles), rejects_result(loaded, uploads, titles)]


def _joined(shards: Sequence[LoadedDays], run: DayRun) -> LoadedDays:
    uploads = LoadedUploads(
        tuple(file for shard in shards for file in shard.uploads.files),
        tuple(failure for shard in shards for failure in shard.uploads.failures),
        tuple(held for shard in shards for held in shard.uploads.held),
    )
    parts = [day for shard in shards for day in shard.days]
    days: list[LoadedDay] = []
    for date in run.dates:
        accounts = [item for part in parts if part.business_date == date for item in part.accounts]
        days.append(LoadedDay(date, tuple(sorted(accounts, key=lambda item: item.account_id))))
    return LoadedDays(min((shard.started_at for shard in shards), default=run.ctx.clock()), days, uploads)


def _failed(failures: Sequence[AccountFailure], run: DayRun) -> LoadedDays:
    accounts = tuple(AccountLoaded(failure.account_id, BatchCounts(), failure=failure) for failure in failures)
    return LoadedDays(run.ctx.clock(), [LoadedDay(day, accounts) for day in run.dates], LoadedUploads((), ()))
