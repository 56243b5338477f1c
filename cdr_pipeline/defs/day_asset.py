# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The factory of the daily assets: partitions, backfill policy, checks by partition, error handling and context."""

import inspect
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import dagster as dg

from cdr_pipeline.defs.dagster_private import record_evaluation
from cdr_pipeline.defs.failure import classified_failures
from cdr_pipeline.defs.lease import leased_context
from cdr_pipeline.defs.outcome import require_good_run
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.scope import Scope, partition_dates
from cdr_pipeline.steps.run_context import RunContext

CODE: Final = "dagster/code_references"


@dataclass(frozen=True, slots=True)
class DayCheck:
    """A check of a daily asset: name, description, and whether a failure stops the steps after the asset."""

    name: str
    description: str
    blocking: bool = False


@dataclass(frozen=True, slots=True)
class DayRun:
    """One execution of a daily asset.

    Attributes:
        dagster: Dagster's context.
        ctx: settings, warehouse, clock and progress callback.
        accounts: accounts of the run; None for all.
        dates: business dates of the run, oldest first.
        scope: scope of the run.
        retry_number: number of attempts before this one.
    """

    dagster: dg.AssetExecutionContext
    ctx: RunContext
    accounts: list[str] | None
    dates: list[date]
    scope: Scope
    retry_number: int = 0

    @classmethod
    @contextmanager
    def open(cls, context: dg.AssetExecutionContext, run_contexts: RunContexts, scope: Scope) -> Generator["DayRun"]:
        """Opens the context of a step and holds the step's lease."""
        accounts = scope.selected_accounts(context)
        with leased_context(context, run_contexts) as ctx:
            yield cls(context, ctx, accounts, partition_dates(context), scope, context.retry_number)


@dataclass(frozen=True, slots=True)
class DayResult:
    """Result of one asset.

    Attributes:
        metadata: metadata of the materialization.
        checks: results of the checks, judged on some of the run's dates.
        asset: key of the asset; empty if the step makes only one.
    """

    metadata: Mapping[str, Any]
    checks: Callable[[Sequence[date]], Sequence[dg.AssetCheckResult]]
    asset: str = ""


@dataclass(frozen=True, slots=True)
class DayAsset:
    """Attributes of a daily asset.

    Attributes:
        days: partitions.
        group: group in the graph.
        kinds: kinds in the graph.
        deps: keys of the assets before it.
        checks: checks that its step evaluates.
        pool: concurrency pool of its step.
        retry_policy: retry policy of its step.
        metadata: definition metadata.
    """

    days: dg.PartitionsDefinition[str]
    group: str
    kinds: set[str]
    deps: tuple[str, ...] = ()
    checks: tuple[DayCheck, ...] = ()
    pool: str | None = None
    retry_policy: dg.RetryPolicy | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def of(self, work: Callable[[DayRun], DayResult]) -> dg.AssetsDefinition:
        """The asset with the name and the docstring of the function that makes it."""
        name = work.__name__

        @dg.asset(
            name=name,
            description=inspect.getdoc(work),
            deps=list(self.deps),
            partitions_def=self.days,
            backfill_policy=dg.BackfillPolicy.single_run(),
            group_name=self.group,
            kinds=self.kinds,
            pool=self.pool,
            retry_policy=self.retry_policy,
            metadata={**self.metadata, CODE: code_reference(work)},
            check_specs=check_specs(self.days, name, self.checks),
        )
        def day_asset(
            context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
        ) -> Iterator[dg.MaterializeResult]:
            with classified_failures(context), DayRun.open(context, run_contexts, scope) as run:
                yield from materialized(run, [work(run)])
            require_good_run(context)

        return day_asset


def check_specs(days: dg.PartitionsDefinition[str], asset: str, checks: Sequence[DayCheck]) -> list[dg.AssetCheckSpec]:
    """Specs of checks whose results belong to a partition, so that a later day cannot replace a red result."""
    with warnings.catch_warnings():
        # Dagster marks partitioned checks as a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                check.name, asset=asset, description=check.description, blocking=check.blocking, partitions_def=days
            )
            for check in checks
        ]


def materialized(run: DayRun, results: Sequence[DayResult]) -> Iterator[dg.MaterializeResult]:
    """The results for Dagster. A run of several dates also records the checks of each date.

    Dagster gives the results of a step with several partitions no partition.
    """
    for result in results:
        asset = result.asset or run.dagster.assets_def.key.to_user_string()
        if len(run.dates) > 1:
            for day in run.dates:
                for check in result.checks([day]):
                    record_evaluation(run.dagster, _evaluation(asset, check, day))
        yield dg.MaterializeResult(
            asset_key=asset, metadata=result.metadata, check_results=list(result.checks(run.dates))
        )


def code_reference(function: Callable[..., object]) -> dg.CodeReferencesMetadataValue:
    """Link to the source code of a function."""
    _, line = inspect.getsourcelines(function)
    reference = dg.LocalFileCodeReference(file_path=inspect.getfile(function), line_number=line)
    return dg.CodeReferencesMetadataValue(code_references=[reference])


def _evaluation(asset: str, result: dg.AssetCheckResult, day: date) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=result.check_name or "",
        passed=result.passed,
        metadata=dict(result.metadata),
        severity=result.severity,
        partition=str(day),
    )
